// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Where trampolines go: pages outside the occupied ranges, claimed one by one, with one bit per used byte, since
 * instruction punning asks for odd addresses in the middle of a page.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe_internal.h"

#define DEFAULT_MAX_RANGES 4096
#define ROOMY_GAP (1ULL << 20)
#define MAX_TRIES 8192

int probe_pages_init(struct probe_pages *pages, const struct probe_config *config)
{
	memset(pages, 0, sizeof(*pages));
	pages->max_ranges = config->max_ranges ? config->max_ranges : DEFAULT_MAX_RANGES;
	pages->table_size = 1024;
	pages->table = calloc(pages->table_size, sizeof(*pages->table));
	pages->occupied = calloc(config->noccupied + 1, sizeof(*pages->occupied));
	if (!pages->table || !pages->occupied)
		return -ENOMEM;
	for (size_t i = 0; i < config->noccupied; i++) {
		const struct probe_range *r = &config->occupied[i];

		if (r->lo > r->hi || (i && r->lo < config->occupied[i - 1].hi))
			return -EINVAL;
		pages->occupied[i].lo = r->lo & ~(PROBE_PAGE - 1);
		pages->occupied[i].hi = (r->hi + PROBE_PAGE - 1) & ~(PROBE_PAGE - 1);
	}
	pages->noccupied = config->noccupied;
	return 0;
}

void probe_pages_deinit(struct probe_pages *pages)
{
	for (size_t i = 0; pages->table && i < pages->table_size; i++)
		free(pages->table[i]);
	free(pages->table);
	free(pages->occupied);
	free(pages->arenas);
	memset(pages, 0, sizeof(*pages));
}

/* ---- pages ---- */

static size_t slot_of(const struct probe_pages *pages, uint64_t addr)
{
	size_t i = (size_t)((addr / PROBE_PAGE) * 0x9e3779b97f4a7c15ULL >> 32) &
		   (pages->table_size - 1);

	while (pages->table[i] && pages->table[i]->addr != addr)
		i = (i + 1) & (pages->table_size - 1);
	return i;
}

static struct probe_page *find_page(const struct probe_pages *pages, uint64_t addr)
{
	return pages->table[slot_of(pages, addr & ~(PROBE_PAGE - 1))];
}

static bool grow_table(struct probe_pages *pages)
{
	struct probe_page **old = pages->table;
	size_t old_size = pages->table_size;

	pages->table = calloc(old_size * 2, sizeof(*pages->table));
	if (!pages->table) {
		pages->table = old;
		pages->no_memory = true;
		return false;
	}
	pages->table_size = old_size * 2;
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			pages->table[slot_of(pages, old[i]->addr)] = old[i];
	free(old);
	return true;
}

/* The first occupied range that ends above @addr, or NULL. */
static const struct probe_range *occupied_from(const struct probe_pages *pages, uint64_t addr)
{
	size_t lo = 0;
	size_t hi = pages->noccupied;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (pages->occupied[mid].hi > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < pages->noccupied ? &pages->occupied[lo] : NULL;
}

static bool is_free(const struct probe_pages *pages, uint64_t page)
{
	const struct probe_range *r = occupied_from(pages, page);

	return page >= PROBE_MIN_ADDR && page + PROBE_PAGE <= PROBE_MAX_ADDR &&
	       (!r || r->lo > page);
}

static bool has_neighbour(const struct probe_pages *pages, uint64_t page)
{
	return find_page(pages, page - PROBE_PAGE) || find_page(pages, page + PROBE_PAGE);
}

static struct probe_page *claim_page(struct probe_pages *pages, uint64_t addr)
{
	struct probe_page *p;

	if (pages->npages * 2 >= pages->table_size && !grow_table(pages))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p) {
		pages->no_memory = true;
		return NULL;
	}
	p->addr = addr;
	pages->nranges++;
	if (find_page(pages, addr - PROBE_PAGE))
		pages->nranges--;
	if (find_page(pages, addr + PROBE_PAGE))
		pages->nranges--;
	pages->table[slot_of(pages, addr)] = p;
	pages->npages++;
	return p;
}

/* The last used byte of [from, to) in the page, or -1. */
static int last_used(const struct probe_page *p, uint32_t from, uint32_t to)
{
	for (uint32_t i = to; i > from; i--)
		if (p->used[(i - 1) / 64] >> ((i - 1) & 63) & 1)
			return (int)(i - 1);
	return -1;
}

static void set_used(struct probe_page *p, uint32_t from, uint32_t to, bool is_tiny)
{
	for (uint32_t i = from; i < to; i++)
		p->used[i / 64] |= 1ULL << (i & 63);
	if (to > p->next && !is_tiny)
		p->next = to;
}

/*
 * Reserve exactly [addr, addr + len). @is_tiny: a stub in the middle of nowhere, see probe_page.next. On failure *@retry is the next start address that may succeed.
 */
static bool try_place(struct probe_pages *pages, uint64_t addr, size_t len, bool is_tiny,
		      enum probe_claim claim, uint64_t *retry)
{
	uint64_t end = addr + len;

	for (uint64_t pg = addr & ~(PROBE_PAGE - 1); pg < end; pg += PROBE_PAGE) {
		const struct probe_page *p = find_page(pages, pg);
		uint32_t from = addr > pg ? (uint32_t)(addr - pg) : 0;
		uint32_t to = end < pg + PROBE_PAGE ? (uint32_t)(end - pg) : (uint32_t)PROBE_PAGE;
		int used;

		if (p) {
			used = last_used(p, from, to);
			if (used >= 0) {
				*retry = pg + (uint64_t)used + 1;
				return false;
			}
			continue;
		}
		if (claim == PROBE_CLAIM_NONE || !is_free(pages, pg) ||
		    (claim == PROBE_CLAIM_NEW && pages->nranges >= pages->max_ranges &&
		     !has_neighbour(pages, pg))) {
			*retry = pg + PROBE_PAGE;
			return false;
		}
	}
	for (uint64_t pg = addr & ~(PROBE_PAGE - 1); pg < end; pg += PROBE_PAGE) {
		struct probe_page *p = find_page(pages, pg);
		uint32_t from = addr > pg ? (uint32_t)(addr - pg) : 0;
		uint32_t to = end < pg + PROBE_PAGE ? (uint32_t)(end - pg) : (uint32_t)PROBE_PAGE;

		if (!p)
			p = claim_page(pages, pg);
		if (!p)
			return false;
		set_used(p, from, to, is_tiny);
	}
	return true;
}

static bool clamp(int64_t *lo, int64_t *hi, size_t len)
{
	if (*lo < (int64_t)PROBE_MIN_ADDR)
		*lo = (int64_t)PROBE_MIN_ADDR;
	if (*hi > (int64_t)(PROBE_MAX_ADDR - len))
		*hi = (int64_t)(PROBE_MAX_ADDR - len);
	return *lo <= *hi;
}

/* ---- small windows ---- */

uint64_t probe_pages_small(struct probe_pages *pages, int64_t lo, int64_t hi, size_t len,
			   enum probe_claim claim)
{
	bool is_tiny = hi - lo < 256;
	uint64_t at;
	uint64_t next;

	if (!clamp(&lo, &hi, len))
		return 0;
	at = (uint64_t)lo;
	while (at <= (uint64_t)hi && !pages->no_memory) {
		const struct probe_page *p = find_page(pages, at);

		if (p && !is_tiny && at < p->addr + p->next) {
			at = p->addr + p->next;
			continue;
		}
		if (!p && claim == PROBE_CLAIM_NONE) {
			/* the code may begin at the end of an unclaimed page only if that can be claimed */
			at = (at & ~(PROBE_PAGE - 1)) + PROBE_PAGE;
			continue;
		}
		if (try_place(pages, at, len, is_tiny, claim, &next))
			return at;
		at = next;
	}
	return 0;
}

/* ---- large windows ---- */

static uint64_t align16(uint64_t addr)
{
	return (addr + 15) & ~15ULL;
}

/* The start nearest to @near of a room of @min bytes in the gaps of [lo, hi]; 0: none. */
static uint64_t nearest_gap(const struct probe_pages *pages, uint64_t lo, uint64_t hi, uint64_t min,
			    uint64_t near)
{
	uint64_t best = 0;
	uint64_t best_distance = UINT64_MAX;
	uint64_t from = lo;

	for (size_t i = 0; i <= pages->noccupied; i++) {
		uint64_t to = i < pages->noccupied ? pages->occupied[i].lo : PROBE_MAX_ADDR;
		uint64_t top = to < hi ? to : hi;

		if (top > from && top - from >= min) {
			/* above @near begin at the gap's start, below leave room to grow upwards */
			uint64_t at = from >= near ? from : top - min < near ? top - min : near;
			uint64_t distance = at > near ? at - near : near - at;

			if (distance < best_distance) {
				best = at;
				best_distance = distance;
			}
		}
		if (i < pages->noccupied && pages->occupied[i].hi > from)
			from = pages->occupied[i].hi;
		if (from >= hi)
			break;
	}
	return best;
}

/* Fill upwards from @at until the window's or the gap's end. */
static uint64_t place_upwards(struct probe_pages *pages, uint64_t at, uint64_t hi, size_t len)
{
	const struct probe_range *r = occupied_from(pages, at);
	uint64_t next;
	int tries = MAX_TRIES;

	if (r && r->lo < hi)
		hi = r->lo;
	for (at = align16(at); at <= hi && !pages->no_memory && tries--; at = align16(next)) {
		const struct probe_page *p = find_page(pages, at);

		if (p && p->next >= PROBE_PAGE - 16) {
			next = p->addr + PROBE_PAGE;
			continue;
		}
		if (try_place(pages, at, len, false, PROBE_CLAIM_ALWAYS, &next))
			return at;
	}
	return 0;
}

static bool add_arena(struct probe_pages *pages, uint64_t cursor)
{
	if (pages->narenas == pages->arenas_size) {
		size_t n = pages->arenas_size ? pages->arenas_size * 2 : 16;
		struct probe_arena *a = realloc(pages->arenas, n * sizeof(*a));

		if (!a) {
			pages->no_memory = true;
			return false;
		}
		pages->arenas = a;
		pages->arenas_size = n;
	}
	pages->arenas[pages->narenas++].cursor = cursor;
	return true;
}

uint64_t probe_pages_large(struct probe_pages *pages, int64_t lo, int64_t hi, size_t len,
			   uint64_t near)
{
	static const uint64_t rooms[] = { ROOMY_GAP, 0 };
	uint64_t at;

	if (!clamp(&lo, &hi, len))
		return 0;
	for (size_t i = pages->narenas; i-- > 0;) {
		struct probe_arena *a = &pages->arenas[i];

		if (a->cursor < (uint64_t)lo || a->cursor > (uint64_t)hi)
			continue;
		at = place_upwards(pages, a->cursor, (uint64_t)hi, len);
		if (at) {
			a->cursor = at + len;
			return at;
		}
	}
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		at = nearest_gap(pages, (uint64_t)lo, (uint64_t)hi + len, rooms[i] ? rooms[i] : len,
				 near);
		if (at)
			at = place_upwards(pages, at, (uint64_t)hi, len);
		if (at)
			return add_arena(pages, at + len) ? at : 0;
	}
	return 0;
}

/* ---- result ---- */

static int page_compare(const void *a, const void *b)
{
	const struct probe_page *const *x = a;
	const struct probe_page *const *y = b;

	return ((*x)->addr > (*y)->addr) - ((*x)->addr < (*y)->addr);
}

int probe_pages_sorted(const struct probe_pages *pages, struct probe_page ***ret)
{
	struct probe_page **list = calloc(pages->npages + 1, sizeof(*list));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < pages->table_size; i++)
		if (pages->table[i])
			list[n++] = pages->table[i];
	qsort(list, n, sizeof(*list), page_compare);
	*ret = list;
	return 0;
}
