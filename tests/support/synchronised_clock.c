/* For LD_PRELOAD: the kernel says that a time service disciplines the clock, also on machines where none does. */
#include <string.h>
#include <sys/timex.h>

int adjtimex(struct timex *facts);

int adjtimex(struct timex *facts) {
  memset(facts, 0, sizeof *facts);
  return TIME_OK;
}
