/* Not run: its object file says what the shim takes of RAM. */
#include "firmware-shim/client/sealed.h"

extern hr_shim a_shim;
extern hr_sealed a_sealed_line;
hr_shim a_shim;
hr_sealed a_sealed_line;
