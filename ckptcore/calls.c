/*
 * Reads the table of system calls, see calls.h. The table is calls.tbl, from
 * which gen-calls.py makes ckpt_calls[].
 */
#include <errno.h>
#include <string.h>

#include "calls.h"

/* Of the kernel's linux/errno.h: seen at exit stops only, programs get EINTR. */
#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516

#define MSGHDR_SIZE 56	 /* struct msghdr */
#define MMSGHDR_SIZE 64	 /* struct mmsghdr: that, and the length received */
#define SOCKADDR_MAX 128 /* the kernel copies no longer address */
#define PAGE 4096

/* As struct msghdr, but with the widths that the kernel reads. */
struct mmsghdr64 {
	uint64_t name;
	uint32_t namelen;
	uint32_t pad;
	uint64_t iov;
	uint64_t iovlen;
	uint64_t control;
	uint64_t controllen;
	uint32_t flags;
	uint32_t pad2;
	uint32_t len;
	uint32_t pad3;
};

_Static_assert(sizeof(struct mmsghdr64) == MMSGHDR_SIZE, "struct mmsghdr");
_Static_assert(sizeof(struct ckpt_range) == 16, "must look like struct iovec");

/* Collects the ranges of one call. */
struct collector {
	const struct ckpt_call_reader *reader;
	struct ckpt_range *out;
	size_t max;
	size_t n;
	/* Pointers may be rubbish the kernel never looked at: drop what isn't mapped. */
	bool doubtful;
};

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int read_mem(const struct ckpt_call_reader *reader, uint64_t addr, void *buf, size_t len)
{
	return reader->read(reader->ctx, addr, buf, len);
}

const struct ckpt_call *ckpt_call_find(long nr)
{
	if (nr < 0 || (size_t)nr >= ckpt_n_calls || !ckpt_calls[nr].name)
		return NULL;
	return &ckpt_calls[nr];
}

const char *ckpt_call_name(long nr)
{
	const struct ckpt_call *call = ckpt_call_find(nr);

	return call ? call->name : "?";
}

/* The form of a call with these arguments; NULL if there is none: a barrier. */
static const struct ckpt_call_form *find_form(const struct ckpt_call *call, const uint64_t args[6])
{
	uint64_t key;

	if (!call)
		return NULL;
	key = args[call->key_arg] & call->key_mask;
	if (call->key_arg2 < 6)
		key = key << 32 | (uint32_t)args[call->key_arg2];
	for (size_t i = 0; i < call->n_forms; i++) {
		const struct ckpt_call_form *form = &call->forms[i];

		if ((key & form->mask) == form->value)
			return form;
	}
	return NULL;
}

const char *ckpt_call_case(const struct ckpt_call *call, const uint64_t args[6])
{
	const struct ckpt_call_form *form = find_form(call, args);

	return form && call->n_forms > 1 ? form->name : NULL;
}

enum ckpt_call_class ckpt_call_class(const struct ckpt_call *call, const uint64_t args[6])
{
	const struct ckpt_call_form *form = find_form(call, args);

	return form ? (enum ckpt_call_class)form->class : CKPT_CALL_BARRIER;
}

const char *ckpt_call_class_name(enum ckpt_call_class class)
{
	static const char *const names[] = {
		[CKPT_CALL_BARRIER] = "barrier",     [CKPT_CALL_ANSWER] = "answer",
		[CKPT_CALL_REDO] = "redo",	     [CKPT_CALL_MMAP] = "mmap",
		[CKPT_CALL_REFUSE] = "refuse",	     [CKPT_CALL_FORK] = "fork",
		[CKPT_CALL_EXEC] = "exec",	     [CKPT_CALL_EXIT] = "exit",
		[CKPT_CALL_SIGRETURN] = "sigreturn", [CKPT_CALL_RESTART] = "restart",
	};

	return (size_t) class < sizeof(names) / sizeof(names[0]) ? names[class] : "?";
}

int ckpt_call_refusal(const struct ckpt_call *call, const uint64_t args[6])
{
	const struct ckpt_call_form *form = find_form(call, args);

	return form ? form->refusal : 0;
}

unsigned int ckpt_call_flags(const struct ckpt_call *call, const uint64_t args[6])
{
	const struct ckpt_call_form *form = find_form(call, args);

	return form ? form->flags : 0;
}

unsigned int ckpt_call_fd_args(const struct ckpt_call *call, const uint64_t args[6])
{
	const struct ckpt_call_form *form = find_form(call, args);

	return form ? form->fd_args : 0;
}

unsigned int ckpt_call_path_args(const struct ckpt_call *call, const uint64_t args[6])
{
	const struct ckpt_call_form *form = find_form(call, args);

	return form ? form->path_args : 0;
}

/* Remembers count iovecs at addr, as many as there is room for. */
static void save_iov(struct ckpt_call_entry *entry, const struct ckpt_call_reader *reader,
		     uint64_t addr, uint64_t count)
{
	uint64_t n = min64(count, CKPT_CALL_MAX_VEC - entry->n_vec);

	if (n < count || (n && read_mem(reader, addr, &entry->vec[entry->n_vec], n * 16))) {
		entry->cut = true;
		return;
	}
	entry->n_vec += n;
}

/* Remembers count headers: of each the name, control data, itself, its buffers. */
static void save_headers(struct ckpt_call_entry *entry, const struct ckpt_call_reader *reader,
			 uint64_t addr, uint32_t count, size_t size)
{
	for (uint32_t i = 0; i < count && !entry->cut; i++, addr += size) {
		struct mmsghdr64 hdr;
		struct ckpt_range *v = &entry->vec[entry->n_vec];

		if (entry->n_vec + 3 > CKPT_CALL_MAX_VEC ||
		    read_mem(reader, addr, &hdr, MSGHDR_SIZE)) {
			entry->cut = true;
			return;
		}
		v[0] = (struct ckpt_range){ hdr.name, min64(hdr.namelen, SOCKADDR_MAX) };
		v[1] = (struct ckpt_range){ hdr.control, hdr.control ? hdr.controllen : 0 };
		v[2] = (struct ckpt_range){ addr, hdr.iovlen };
		entry->n_vec += 3;
		save_iov(entry, reader, hdr.iov, hdr.iovlen);
		if (entry->cut)
			entry->n_vec -= 3; /* as if this message had not been looked at */
	}
}

/* Remembers a word of memory as slot i; bytes are 4 or 8. */
static void save_word(struct ckpt_call_entry *entry, const struct ckpt_call_reader *reader,
		      size_t i, uint64_t addr, size_t bytes)
{
	entry->word[i] = 0;
	if (!read_mem(reader, addr, &entry->word[i], bytes))
		entry->have |= 1u << i;
}

void ckpt_call_enter(const struct ckpt_call *call, const uint64_t args[6],
		     const struct ckpt_call_reader *reader, struct ckpt_call_entry *ret)
{
	const struct ckpt_call_form *form = find_form(call, args);

	ret->direct = false;
	ret->cut = false;
	ret->have = 0;
	ret->n_vec = 0;
	memset(ret->word, 0, sizeof(ret->word));
	if (!form || form->class == CKPT_CALL_BARRIER)
		return;

	for (size_t i = 0; i < form->n_outs; i++) {
		const struct ckpt_call_out *o = &form->outs[i];

		switch ((enum ckpt_call_out_kind)o->kind) {
		case CKPT_CALL_OUT_OUT:
			break;
		case CKPT_CALL_OUT_PTR:
			save_word(ret, reader, 2 * i, args[o->arg] + o->off, 8);
			break;
		case CKPT_CALL_OUT_SOCKADDR:
			save_word(ret, reader, 2 * i, args[o->arg2], 4);
			break;
		case CKPT_CALL_OUT_IOV:
			save_iov(ret, reader, args[o->arg], (uint32_t)args[o->arg2]);
			break;
		case CKPT_CALL_OUT_MSGHDR:
			save_headers(ret, reader, args[o->arg], 1, MSGHDR_SIZE);
			break;
		case CKPT_CALL_OUT_MMSG:
			save_headers(ret, reader, args[o->arg], (uint32_t)args[o->arg + 1],
				     MMSGHDR_SIZE);
			break;
		}
		for (size_t s = 0; s < 2; s++) {
			if (o->len.src[s].kind == CKPT_CALL_LEN_U32)
				save_word(ret, reader, 2 * i + 1,
					  args[o->len.src[s].value] + o->len.src[s].off, 4);
		}
	}
}

static bool failed(int64_t result)
{
	return result < 0 && result >= -4095;
}

static bool interrupted(int64_t result)
{
	return result == -EINTR || (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK);
}

/* Was this output written, with this result? */
static bool applies(enum ckpt_call_when when, int64_t result)
{
	switch (when) {
	case CKPT_CALL_WHEN_OK:
		return !failed(result);
	case CKPT_CALL_WHEN_POS:
		return result > 0;
	case CKPT_CALL_WHEN_INTR:
		return !failed(result) || interrupted(result);
	case CKPT_CALL_WHEN_ANY:
		return true;
	}
	return true;
}

/* A length by the table; slot is where its u32() was remembered. 0 or -EOPNOTSUPP. */
static int eval_len(const struct ckpt_call_len *len, const uint64_t args[6], int64_t result,
		    const struct ckpt_call_entry *entry, size_t slot, uint64_t *ret)
{
	uint64_t res = failed(result) ? 0 : (uint64_t)result;
	uint64_t least = UINT64_MAX, v = 0;

	for (size_t s = 0; s < 2; s++) {
		uint16_t value = len->src[s].value;

		switch ((enum ckpt_call_len_kind)len->src[s].kind) {
		case CKPT_CALL_LEN_NONE:
			continue;
		case CKPT_CALL_LEN_CONST:
			v = value;
			break;
		case CKPT_CALL_LEN_RESULT:
			v = res;
			break;
		case CKPT_CALL_LEN_ARG:
			v = args[value];
			break;
		case CKPT_CALL_LEN_WORD:
			v = (uint32_t)args[value];
			break;
		case CKPT_CALL_LEN_U32:
			if (!(entry->have & 1u << slot))
				return -EOPNOTSUPP;
			v = entry->word[slot];
			break;
		case CKPT_CALL_LEN_BITS:
			v = ((uint64_t)(uint32_t)args[value] + 63) / 64 * 8;
			break;
		case CKPT_CALL_LEN_PAGES:
			v = args[value] / PAGE + !!(args[value] % PAGE);
			break;
		case CKPT_CALL_LEN_DATA:
			v = entry->direct ? args[value] : res;
			break;
		case CKPT_CALL_LEN_DATA_ALL:
			v = entry->direct ? UINT64_MAX : res;
			break;
		}
		least = min64(least, v);
	}
	if (len->mul != 1 && least > UINT64_MAX / 2 / len->mul)
		return -EOPNOTSUPP;
	*ret = least * len->mul;
	if (len->add)
		*ret += len->add;
	return 0;
}

static int add(struct collector *c, uint64_t addr, uint64_t len)
{
	char byte;

	if (!addr || !len)
		return 0;
	if (c->doubtful && read_mem(c->reader, addr, &byte, 1))
		return 0;
	if (addr + len < addr)
		return -EOPNOTSUPP;
	if (c->n == c->max)
		return -ENOSPC;
	c->out[c->n++] = (struct ckpt_range){ addr, len };
	return 0;
}

/* Adds the first len bytes of n buffers. */
static int add_iov(struct collector *c, const struct ckpt_range *iov, size_t n, uint64_t len)
{
	for (size_t i = 0; i < n && len; i++) {
		uint64_t part = min64(len, iov[i].len);
		int err = add(c, iov[i].addr, part);

		if (err)
			return err;
		len -= part;
	}
	return 0;
}

/* An address of a socket: its length in memory is now that of the whole address. */
static int add_sockaddr(struct collector *c, uint64_t addr, uint64_t lenp,
			const struct ckpt_call_entry *entry, size_t slot)
{
	uint32_t actual;
	int err;

	if (!addr) /* some tell the length all the same */
		return entry->have & 1u << slot ? add(c, lenp, 4) : 0;
	if (!(entry->have & 1u << slot) || read_mem(c->reader, lenp, &actual, 4))
		return -EOPNOTSUPP;
	err = add(c, addr, min64(min64(entry->word[slot], actual), SOCKADDR_MAX));
	return err ?: add(c, lenp, 4);
}

/*
 * count messages as remembered by save_headers(); len bytes were received in
 * the only one, or, if size is that of a mmsghdr, what each header tells.
 */
static int add_headers(struct collector *c, const struct ckpt_call_entry *entry, uint64_t count,
		       uint64_t len, size_t size)
{
	size_t k = 0;

	for (uint64_t i = 0; i < count; i++) {
		const struct ckpt_range *v = &entry->vec[k];
		struct mmsghdr64 hdr;
		int err;

		if (k + 3 > entry->n_vec || read_mem(c->reader, v[2].addr, &hdr, size))
			return -EOPNOTSUPP;
		if (size == MMSGHDR_SIZE)
			len = hdr.len;
		err = add(c, v[2].addr, size);
		err = err ?: add(c, v[0].addr, min64(v[0].len, hdr.namelen));
		err = err ?: add(c, v[1].addr, min64(v[1].len, hdr.controllen));
		err = err ?: add_iov(c, v + 3, v[2].len, len);
		if (err)
			return err;
		k += 3 + v[2].len;
	}
	return 0;
}

/* A length of an address that is below 0 fails only after the data came. */
static bool is_late(const struct ckpt_call_form *form, const struct ckpt_call_entry *entry)
{
	for (size_t i = 0; i < form->n_outs; i++)
		if (form->outs[i].kind == CKPT_CALL_OUT_SOCKADDR && (int32_t)entry->word[2 * i] < 0)
			return true;
	return false;
}

static bool is_data(const struct ckpt_call_out *o)
{
	return o->len.src[0].kind == CKPT_CALL_LEN_DATA ||
	       o->len.src[0].kind == CKPT_CALL_LEN_DATA_ALL;
}

/* Adds the ranges of output i of a form. */
static int add_output(struct collector *c, const struct ckpt_call_form *form, size_t i,
		      const uint64_t args[6], int64_t result, const struct ckpt_call_entry *entry)
{
	const struct ckpt_call_out *o = &form->outs[i];
	uint64_t len = 0, addr = args[o->arg];
	int err;

	if (!applies(o->when, result) && !(entry->direct && is_data(o)))
		return 0;
	switch ((enum ckpt_call_out_kind)o->kind) {
	case CKPT_CALL_OUT_SOCKADDR:
		return add_sockaddr(c, addr, args[o->arg2], entry, 2 * i);
	case CKPT_CALL_OUT_MSGHDR:
		return add_headers(c, entry, 1, result, MSGHDR_SIZE);
	case CKPT_CALL_OUT_MMSG:
		return add_headers(c, entry, result, 0, MMSGHDR_SIZE);
	case CKPT_CALL_OUT_OUT:
	case CKPT_CALL_OUT_PTR:
	case CKPT_CALL_OUT_IOV:
		break;
	}

	if (o->kind == CKPT_CALL_OUT_OUT && !addr)
		return 0;
	if (o->kind == CKPT_CALL_OUT_PTR) {
		if (!(entry->have & 1u << (2 * i)))
			return -EOPNOTSUPP;
		addr = entry->word[2 * i];
	}
	err = eval_len(&o->len, args, result, entry, 2 * i + 1, &len);
	if (err)
		return failed(result) ? 0 : err; /* the kernel didn't get the length either */
	if (o->kind != CKPT_CALL_OUT_IOV)
		return add(c, addr, len);
	if (len && entry->cut)
		return -EOPNOTSUPP;
	return add_iov(c, entry->vec, entry->n_vec, len);
}

int ckpt_call_outputs(const struct ckpt_call *call, const uint64_t args[6], int64_t result,
		      const struct ckpt_call_reader *reader, const struct ckpt_call_entry *entry,
		      struct ckpt_range *out, size_t max, size_t *ret_n)
{
	const struct ckpt_call_form *form = find_form(call, args);
	struct collector c = {
		.reader = reader,
		.out = out,
		.max = max,
		.doubtful = failed(result) || (form && form->class == CKPT_CALL_FORK),
	};

	*ret_n = 0;
	if (!form || form->class == CKPT_CALL_BARRIER || form->class == CKPT_CALL_RESTART)
		return -EOPNOTSUPP;
	/* A bad address may have struck in the middle of what is declared for success. */
	if ((result == -EFAULT && form->n_outs) || (result == -EINVAL && is_late(form, entry)))
		return -EOPNOTSUPP;
	for (size_t i = 0; i < form->n_outs; i++) {
		int err = add_output(&c, form, i, args, result, entry);

		if (err)
			return err;
	}
	*ret_n = c.n;
	return 0;
}
