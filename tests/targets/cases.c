/* A big switch in a loop: an interpreter. */
static const char program[] = "+++*-+/*!";
int acc, pc_;

int main(void)
{
	for (pc_ = 0; program[pc_]; pc_++) {
		switch (program[pc_]) {	/* MARK switch */
		case '+':
			acc++;		/* MARK plus */
			break;
		case '-':
			acc--;		/* MARK minus */
			break;
		case '*':
			acc *= 3;	/* MARK times */
			break;
		case '/':
			acc /= 2;	/* MARK divide */
			/* fall through */
		case '!':
			acc = -acc;	/* MARK negate */
			break;
		default:
			return 1;
		}
	}
	return acc & 0x7f;		/* MARK last */
}
