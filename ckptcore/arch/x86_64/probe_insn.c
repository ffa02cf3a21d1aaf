// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What an instruction needs to be executed at another address.
 *
 * Prefixes, opcode map and ModRM are read here, by the rules of the Intel manual, volume 2, chapter 2 and appendix A;
 * capstone gives the length and says what is privileged. Where both know something (rip-relative operands)
 * they must agree, or the instruction is left alone.
 */
#include <string.h>

#include "outer_insn.h"
#include "probe_internal.h"

/** Opcode maps. */
enum map { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A, MAP_VEX, MAP_EVEX };

struct layout {
	enum map map;
	uint8_t op;
	uint8_t opcode; /* offset of the opcode's last byte */
	uint8_t rex;
	uint8_t segment;
	bool opsize;
	bool addrsize;
	bool rep;
};

static bool is_legacy_prefix(uint8_t b, struct layout *l)
{
	switch (b) {
	case 0x66:
		l->opsize = true;
		return true;
	case 0x67:
		l->addrsize = true;
		return true;
	case 0x64:
	case 0x65:
		l->segment = b;
		return true;
	case 0xf2:
	case 0xf3:
		l->rep = true;
		return true;
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0xf0:
		return true;
	default:
		return false;
	}
}

static bool parse_layout(const uint8_t *b, size_t len, struct layout *l)
{
	size_t i = 0;

	memset(l, 0, sizeof(*l));
	while (i < len && is_legacy_prefix(b[i], l))
		i++;
	if (i < len && (b[i] & 0xf0) == 0x40)
		l->rex = b[i++];
	if (i >= len)
		return false;
	if (b[i] == 0xc5 || b[i] == 0xc4 || b[i] == 0x62) {
		l->map = b[i] == 0x62 ? MAP_EVEX : MAP_VEX;
		i += b[i] == 0xc5 ? 2 : b[i] == 0xc4 ? 3 : 4;
	} else if (b[i] == 0x0f) {
		i++;
		l->map = MAP_0F;
		if (i < len && (b[i] == 0x38 || b[i] == 0x3a)) {
			l->map = b[i] == 0x38 ? MAP_0F38 : MAP_0F3A;
			i++;
		}
	}
	if (i >= len)
		return false;
	l->op = b[i];
	l->opcode = (uint8_t)i;
	return true;
}

static bool has_modrm(const struct layout *l)
{
	uint8_t op = l->op;

	switch (l->map) {
	case MAP_1:
		return (op < 0x40 && (op & 7) < 4) || op == 0x63 || op == 0x69 || op == 0x6b ||
		       (op >= 0x80 && op <= 0x8f) || op == 0xc0 || op == 0xc1 || op == 0xc6 ||
		       op == 0xc7 || (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf) ||
		       op == 0xf6 || op == 0xf7 || op == 0xfe || op == 0xff;
	case MAP_0F:
		return !((op >= 0x04 && op <= 0x0c) || op == 0x0e || (op >= 0x30 && op <= 0x37) ||
			 op == 0x77 || (op >= 0x80 && op <= 0x8f) || (op >= 0xa0 && op <= 0xa2) ||
			 (op >= 0xa8 && op <= 0xaa) || (op >= 0xc8 && op <= 0xcf));
	case MAP_VEX:
		return op != 0x77;
	default:
		return true;
	}
}

/* Traps, privileged, or different at each execution: the caller must see these at their own address. */
static const unsigned int fixed_ids[] = {
	X86_INS_SYSCALL, X86_INS_SYSENTER, X86_INS_SYSEXIT, X86_INS_SYSRET, X86_INS_INT,
	X86_INS_INT1,	 X86_INS_INT3,	   X86_INS_INTO,    X86_INS_HLT,    X86_INS_RDTSC,
	X86_INS_RDTSCP,	 X86_INS_RDPMC,	   X86_INS_CPUID,   X86_INS_XBEGIN, X86_INS_XEND,
	X86_INS_XABORT,	 X86_INS_XTEST,	   X86_INS_IRET,    X86_INS_IRETD,  X86_INS_IRETQ,
	X86_INS_LCALL,	 X86_INS_LJMP,	   X86_INS_RETF,    X86_INS_RETFQ,  X86_INS_CLI,
	X86_INS_STI,	 X86_INS_IN,	   X86_INS_OUT,	    X86_INS_INSB,   X86_INS_INSW,
	X86_INS_INSD,	 X86_INS_OUTSB,	   X86_INS_OUTSW,   X86_INS_OUTSD,  X86_INS_RDRAND,
	X86_INS_RDSEED,
};

static bool is_fixed(csh cs, const cs_insn *ci)
{
	static const uint8_t groups[] = { X86_GRP_PRIVILEGE, X86_GRP_VM, X86_GRP_INT, X86_GRP_IRET,
					  X86_GRP_RTM };

	for (size_t i = 0; i < sizeof(fixed_ids) / sizeof(fixed_ids[0]); i++)
		if (ci->id == fixed_ids[i])
			return true;
	for (size_t i = 0; i < sizeof(groups); i++)
		if (cs_insn_group(cs, ci, groups[i]))
			return true;
	return false;
}

static bool capstone_sees_rip(const cs_insn *ci)
{
	const cs_x86 *x = &ci->detail->x86;

	for (int i = 0; i < x->op_count; i++)
		if (x->operands[i].type == X86_OP_MEM && (x->operands[i].mem.base == X86_REG_RIP ||
							  x->operands[i].mem.base == X86_REG_EIP))
			return true;
	return false;
}

static int64_t read_rel(const uint8_t *p, size_t len)
{
	int32_t v32;

	if (len == 1)
		return (int8_t)*p;
	memcpy(&v32, p, sizeof(v32));
	return v32;
}

/* Direct branches: fills form and target; false if it is none of them. */
static bool classify_branch(const struct layout *l, struct probe_insn *in)
{
	bool is_jcc = (l->map == MAP_1 && (l->op & 0xf0) == 0x70) ||
		      (l->map == MAP_0F && (l->op & 0xf0) == 0x80);
	bool is_short = l->map == MAP_1 &&
			(l->op == 0xeb || (l->op & 0xf0) == 0x70 || (l->op & 0xfc) == 0xe0);
	size_t rel_len = is_short ? 1 : 4;

	if (is_jcc)
		in->form = INSN_JCC;
	else if (l->map == MAP_1 && (l->op & 0xfc) == 0xe0)
		in->form = INSN_LOOP;
	else if (l->map == MAP_1 && (l->op == 0xe9 || l->op == 0xeb))
		in->form = INSN_JMP;
	else if (l->map == MAP_1 && l->op == 0xe8)
		in->form = INSN_CALL;
	else
		return false;
	/* A 66 prefix cuts the branch to 16 bits on some processors; REX.W overrides it, as in calls for TLS. */
	if (in->len != l->opcode + 1 + rel_len || (l->opsize && !(l->rex & 8))) {
		in->form = INSN_FIXED;
		return true;
	}
	in->target =
		in->addr + in->len + (uint64_t)read_rel(in->bytes + in->len - rel_len, rel_len);
	return true;
}

/* FF /2 and /4; the far forms /3 and /5 are left alone. */
static enum insn_form classify_ff(const struct layout *l, const struct probe_insn *in)
{
	uint8_t modrm = in->bytes[l->opcode + 1];
	uint8_t reg = (modrm >> 3) & 7;
	uint8_t mod = modrm >> 6;
	uint8_t rm = modrm & 7;

	if (reg == 3 || reg == 5)
		return INSN_FIXED;
	if (reg != 2 && reg != 4)
		return INSN_COPY;
	if (l->opsize || l->addrsize)
		return INSN_FIXED;
	if (reg == 4)
		return INSN_COPY_END;
	if (mod == 3)
		return rm == 4 && !(l->rex & 1) ? INSN_FIXED : INSN_CALL_REG;
	/* call [rsp + x]: after the push the operand is elsewhere */
	if (rm == 4 && (in->bytes[l->opcode + 2] & 7) == 4 && !(l->rex & 1))
		return INSN_FIXED;
	return INSN_CALL_MEM;
}

/* ci: NULL if capstone wasn't asked. */
static void classify(const cs_insn *ci, struct probe_insn *in)
{
	struct layout l;
	bool rip = false;

	in->form = INSN_FIXED;
	if (!parse_layout(in->bytes, in->len, &l))
		return;
	in->opcode = l.opcode;
	in->rex = l.rex;
	in->segment = l.segment;
	if (classify_branch(&l, in))
		return;
	if (has_modrm(&l)) {
		if (l.opcode + 1 >= in->len)
			return;
		rip = (in->bytes[l.opcode + 1] & 0xc7) == 0x05;
	}
	if (rip) {
		if (l.addrsize || l.opcode + 6 > in->len)
			return;
		in->rip_disp = (uint8_t)(l.opcode + 2);
		in->target = in->addr + in->len + (uint64_t)read_rel(in->bytes + in->rip_disp, 4);
	}
	/* capstone knows no operand of some hint instructions: harmless, as they access nothing */
	if (ci && capstone_sees_rip(ci) && !rip)
		return;
	if (l.map == MAP_1 && l.op == 0xff)
		in->form = classify_ff(&l, in);
	else if (l.map == MAP_1 && (l.op == 0xc2 || l.op == 0xc3))
		in->form = l.opsize ? INSN_FIXED : INSN_COPY_END;
	else
		in->form = INSN_COPY;
}

bool probe_insn_capstone(csh *cs, cs_insn **scratch)
{
	static cs_insn *insn;
	static csh handle;

	if (!handle && cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) {
		handle = 0;
		return false;
	}
	if (!insn && cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
		insn = cs_malloc(handle);
	*cs = handle;
	*scratch = insn;
	return insn;
}

size_t probe_vector_length(const uint8_t *p, size_t len)
{
	static const uint8_t imm8_of_map_1[] = { 0x70, 0x71, 0x72, 0x73, 0xc2, 0xc4, 0xc5, 0xc6 };
	size_t n = 0, prefix;
	unsigned int map, op, modrm;

	while (n < len &&
	       (p[n] == 0x64 || p[n] == 0x65 || p[n] == 0x67 || p[n] == 0x2e || p[n] == 0x3e))
		n++;
	if (n == len || (p[n] != 0xc4 && p[n] != 0xc5 && p[n] != 0x62))
		return 0;
	prefix = p[n] == 0xc5 ? 2 : p[n] == 0xc4 ? 3 : 4;
	if (len - n < prefix + 1)
		return 0;
	map = p[n] == 0xc5 ? 1 : p[n + 1] & (p[n] == 0xc4 ? 0x1f : 7);
	n += prefix;
	op = p[n++];
	if (map == 1 && op == 0x77) /* vzeroupper */
		return n;
	if (n == len)
		return 0;
	modrm = p[n++];
	if (modrm >> 6 != 3) {
		unsigned int base = modrm & 7;

		if (base == 4) {
			if (n == len)
				return 0;
			base = p[n++] & 7;
			n += modrm >> 6 == 0 && base == 5 ? 4 : 0;
		} else if (modrm >> 6 == 0 && base == 5) {
			n += 4;
		}
		n += modrm >> 6 == 1 ? 1 : modrm >> 6 == 2 ? 4 : 0;
	}
	n += map == 3 || (map == 1 && memchr(imm8_of_map_1, op, sizeof(imm8_of_map_1)));
	return n <= len && n <= 15 ? n : 0;
}

void probe_insn_decode(csh cs, cs_insn *scratch, uint64_t addr, const uint8_t *bytes, size_t len,
		       struct probe_insn *ret)
{
	/* CET instructions, no-ops on older processors, that capstone 4 doesn't all know */
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const uint8_t *p = bytes;
	uint64_t at = addr;

	memset(ret, 0, sizeof(*ret));
	ret->addr = addr;
	if (len > PROBE_INSN_MAX)
		len = PROBE_INSN_MAX;
	memcpy(ret->bytes, bytes, len);
	if (len >= sizeof(endbr64) && !memcmp(bytes, endbr64, sizeof(endbr64))) {
		ret->len = sizeof(endbr64);
		ret->form = INSN_COPY;
		return;
	}
	ret->len = (uint8_t)ckpt_outer_insn_trapped(bytes, len);
	if (ret->len) /* stays where it is */
		return;
	ret->len = (uint8_t)probe_vector_length(bytes, len);
	if (ret->len) {
		classify(NULL, ret); /* none is privileged or a branch */
		return;
	}
	if (!cs_disasm_iter(cs, &p, &len, &at, scratch) || !scratch->size ||
	    scratch->size > PROBE_INSN_MAX)
		return;
	ret->len = (uint8_t)scratch->size;
	if (!is_fixed(cs, scratch))
		classify(scratch, ret);
}
