/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The requests that fred's commands in the debugger make. */
#ifndef FRED_COMMAND_H
#define FRED_COMMAND_H

#include "ckptcore/ckptcore.h"

/* Answers one request (JSON). As vpt_control.command. */
long fred_command(struct ckpt_task *t, const char *request, char *reply, size_t room);

/* Whether fred's commands in the debugger have spoken up. */
extern bool fred_commands_loaded;

#endif
