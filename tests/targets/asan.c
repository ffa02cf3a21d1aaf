/* Uses what it has freed ("uaf"), or leaks and ends. cc: -fsanitize=address */
#include <stdio.h>
#include <stdlib.h>

struct node {
	struct node *next;
	int value;
};

static struct node *head;
static int sum, rounds;

static void push(int value)
{
	struct node *n = malloc(sizeof(*n));

	n->value = value;	/* MARK value */
	n->next = head;
	head = n;
}

static void drop(int value)
{
	for (struct node **p = &head; *p; p = &(*p)->next) {
		struct node *n = *p;

		if (n->value != value)
			continue;
		if (value != 3)
			*p = n->next;
		free(n);	/* MARK free */
		return;
	}
}

static void total(void)
{
	sum = 0;
	for (struct node *n = head; n; n = n->next)
		sum += n->value;	/* MARK use */
	rounds++;
}

int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < 6; i++)
		push(i);
	for (int i = 1; i < 3 + (argc > 1); i++) {
		total();	/* MARK call */
		drop(i);
	}
	total();
	head = NULL;
	printf("sum %d\n", sum);	/* MARK print */
	return 0;
}
