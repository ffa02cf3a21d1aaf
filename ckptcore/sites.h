/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The syscall instructions ("sites") from which quick calls come, see quick.h, and the
 * jumps that are there while the program runs freely: a near one to our code's entry for this
 * site, instead of the instruction before it that loads the call's number; or in padding, where a
 * short one at the site leads, by way of another one if need be.
 */
#ifndef CKPT_SITES_H
#define CKPT_SITES_H

#include "ckptcore/arch/x86_64/quick_code.h"

struct ckpt_site {
	uint64_t ip;
	struct ckpt_quick_place to;
	uint8_t was[CKPT_QUICK_PAD]; /* at the pad ... */
	uint8_t was_hop[CKPT_QUICK_HOP];
	unsigned int met; /* so many calls came, less those from elsewhere */
	bool refused;	  /* nothing */
	bool in;	  /* the jumps are in the code */
};

struct ckpt_sites {
	struct ckpt_site sites[CKPT_QUICK_SITES];
	size_t n;
	unsigned int sought; /* how often a place for jumps was: that takes time */
};

/* A call that may be quick came from the instruction at ip: whether such calls will be. */
bool ckpt_sites_met(struct ckpt_sites *all, struct ckpt_task *t, uint64_t ip);
/* A quick one came from site number `site'. */
void ckpt_sites_used(struct ckpt_sites *all, size_t site);
/* Puts the jumps into t's code, those that aren't there / takes all out. t is stopped outside
 * of them. A site at which there is something else now, a breakpoint, is left alone. */
void ckpt_sites_put_in(struct ckpt_sites *all, struct ckpt_task *t, struct ckpt_quick_notes *notes);
void ckpt_sites_take_out(struct ckpt_sites *all, struct ckpt_task *t);
/* The pages of these jumps, from first to last: ret[0] <= address < ret[1]; zeros: nowhere. */
void ckpt_sites_range(const struct ckpt_sites *all, uint64_t ret[2]);
/* Whether code of any of them is in the pages of [addr, addr + len), addr being the first's. */
bool ckpt_sites_within(const struct ckpt_sites *all, uint64_t addr, uint64_t len);
/* Whether a jump of ours, but for those at the sites themselves, is at rip. */
bool ckpt_sites_jumps_at(const struct ckpt_sites *all, uint64_t rip);

#endif
