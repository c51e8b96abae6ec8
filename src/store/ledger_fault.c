#include "store/ledger_fault.h"

#include "base/log.h"
#include "store/ledger_file.h"

#include <inttypes.h>

struct str ledger_fault_text(const struct ledger_fault *f, const char *dir, struct arena *a)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(f->base, name);
	if (f->e)
		return str_printf(a, "%s/%s: %s: %s", dir, name, f->what, strerrordesc_np(f->e));
	return str_printf(a, "%s/%s: record at offset %" PRIu64 ": %s", dir, name, f->at, f->what);
}

void ledger_fault_log(const struct ledger_fault *f, const char *event, const char *dir)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(f->base, name);
	log_error(NULL, event, F_C("folder", dir), F_STR("segment", str_c(name)), F_INT("offset", f->at),
		F_C("what", f->what), F_C("error", f->e ? strerrordesc_np(f->e) : "none"));
}
