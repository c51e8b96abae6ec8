/* kill -9 at any moment: what came home is there, once, in order. */
#include "store/ledger_model.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define LIVES 25

/* The child: works until it is killed. The model lies in shared memory. */
static void work(struct model *m, struct rig *r)
{
	r->l = ledger_open(r->dir, &r->o, &r->mem, &r->error);
	if (!r->l)
		_exit(1);
	for (;;) {
		if (!model_step(m, r))
			_exit(2);
		model_take(r, model_random(m, 4) ? 30 : 0);
	}
}

static void live(struct model *m, struct rig *r)
{
	uint64_t home = m->home;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		work(m, r);
	for (int i = 0; i < 1000 && *(volatile uint64_t *)&m->home < home + 50; i++)
		usleep(1000);
	usleep(model_random(m, 15000));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 2)
		fail_msg("the child ended by itself: %d", WEXITSTATUS(status));
	/* This process has its own hand on the folder now. */
	if (!rig_open(r))
		fail_msg("%.*s", STR_FMT(r->error));
	model_check(m, r);
	ledger_close(&r->l);
}

static void test_kill(void **state)
{
	struct model *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rig r;

	assert_true(m != MAP_FAILED);
	model_init(m, 1);
	rig_init(&r, 8 * SEGMENT_MIN);
	ledger_close(&r.l);
	r.o.offline_max = UINT32_MAX;
	for (int i = 0; i < LIVES; i++)
		live(m, &r);
	print_message("%u operations home\n", (unsigned)m->home);
	assert_true(m->home > LIVES * 50);
	rig_clear(&r);
	munmap(m, sizeof *m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
