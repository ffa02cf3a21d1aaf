/*
 * A mail room: letters wait in a queue, and a reminder list points at those that are overdue. A letter
 * that is delivered leaves both and is freed. Once a year there is a holiday, and a few days after it
 * the program follows a pointer that is a piece of text.
 *
 * usage: uaf [DAYS]	(default 3000)
 */
#include <stdio.h>
#include <stdlib.h>

enum { MAX_REMINDERS = 16, CLERKS = 3, QUEUE = 8, PATIENCE = 5, YEAR = 365 };

struct clerk {
	const char *name;
	long reminded;
};

struct letter {
	struct clerk *clerk;
	long number;
	long due;
};

struct note {
	char text[sizeof(struct letter)];
};

static struct clerk clerks[CLERKS] = { { "Ada", 0 }, { "Ben", 0 }, { "Cleo", 0 } };
static struct letter *queue[QUEUE];
static struct letter *reminders[MAX_REMINDERS];
static int n_reminders;
static struct note *last_note;
static long day, letters, notes;

static void *get_memory(size_t size)
{
	void *p = malloc(size);

	if (!p)
		abort();
	return p;
}

static struct letter *letter_create(void)
{
	struct letter *l = get_memory(sizeof(*l));

	l->clerk = &clerks[letters % CLERKS];
	l->number = ++letters;
	l->due = day + PATIENCE;
	return l;
}

static void reminder_add(struct letter *l)
{
	if (n_reminders < MAX_REMINDERS)
		reminders[n_reminders++] = l;
}

static void reminder_remove(const struct letter *l)
{
	for (int i = 0; i < n_reminders; i++) {
		if (reminders[i] == l) {
			reminders[i] = reminders[--n_reminders];
			return;
		}
	}
}

static void letter_deliver(struct letter *l)
{
	reminder_remove(l);
	free(l);
}

static void diary_write(const char *text)
{
	struct note *old = last_note;

	last_note = get_memory(sizeof(*last_note));
	snprintf(last_note->text, sizeof(last_note->text), "%s", text);
	free(old);
	notes++;
}

static void remind(void)
{
	for (int i = 0; i < n_reminders; i++)
		reminders[i]->clerk->reminded++;
}

static void deliver_or_wait(struct letter **place)
{
	if (*place && day % YEAR == 0) {
		(*place)->due = day + PATIENCE; /* a holiday: no delivery, wait for another round */
		return;
	}
	if (*place)
		letter_deliver(*place);
	diary_write("Rain. Bought stamps.");
	*place = letter_create();
}

static void work(void)
{
	deliver_or_wait(&queue[day % QUEUE]);
	for (int i = 0; i < QUEUE; i++)
		if (queue[i] && queue[i]->due == day)
			reminder_add(queue[i]);
	remind();
}

int main(int argc, char **argv)
{
	long days = argc > 1 ? atol(argv[1]) : 3000;

	while (day < days) {
		day++;
		work();
	}
	printf("%ld days, %ld letters, %ld notes\n", day, letters, notes);
	for (int i = 0; i < CLERKS; i++)
		printf("%s was reminded %ld times\n", clerks[i].name, clerks[i].reminded);
	return 0;
}
