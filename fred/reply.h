/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How the requests of fred's commands (see command.c) are read and answered. */
#ifndef FRED_REPLY_H
#define FRED_REPLY_H

#include <errno.h>
#include <string.h>
#include <json-c/json.h>

#include "fred/forward.h"
#include "fred/seek.h"

static inline const char *get(json_object *in, const char *key, const char *fallback)
{
	json_object *v;

	return json_object_object_get_ex(in, key, &v) ? json_object_get_string(v) : fallback;
}

static inline uint64_t get_number(json_object *in, const char *key, uint64_t fallback)
{
	json_object *v;

	return json_object_object_get_ex(in, key, &v) ? json_object_get_uint64(v) : fallback;
}

static inline bool get_bool(json_object *in, const char *key)
{
	json_object *v;

	return json_object_object_get_ex(in, key, &v) && json_object_get_boolean(v);
}

static inline void put(json_object *out, const char *key, const char *value)
{
	json_object_object_add(out, key, json_object_new_string(value));
}

static inline void put_number(json_object *out, const char *key, uint64_t value)
{
	json_object_object_add(out, key, json_object_new_uint64(value));
}

static inline void put_bool(json_object *out, const char *key, bool value)
{
	json_object_object_add(out, key, json_object_new_boolean(value));
}

/* The point that was asked for is where p stands. */
static inline void put_found(json_object *out, struct ckpt_task *p, const char *kind)
{
	put(out, "status", "found");
	put(out, "kind", kind);
	put_number(out, "pc", ckpt_canonical(p).rip);
	put_number(out, "thread", (uint64_t)ckpt_vtid(p));
}

/* It can't be done, for this reason. */
static inline void refuse(json_object *out, const char *why)
{
	put(out, "status", "error");
	put(out, "message", why);
}

/* The same. -EINTR: the user doesn't want it any more; -EPROTO: a search says why. */
static inline void fail(json_object *out, int err)
{
	if (err != -EINTR) {
		refuse(out,
		       err == -EPROTO && fred_seek_error[0] ? fred_seek_error : strerror(-err));
		return;
	}
	fred_forward_take_interrupt();
	put(out, "status", "interrupted");
}

#endif
