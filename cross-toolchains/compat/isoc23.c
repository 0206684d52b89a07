// Forwards the C23 number parsers that objects built against glibc 2.38 or later name, to those that every glibc has.
//
// Only Paho's archives want them, for decimal and hexadecimal numbers, where both agree.
// Compiled as strict C11: with _GNU_SOURCE a newer glibc would turn each call here into a call of itself.
#include <stdlib.h>

long __isoc23_strtol(const char* text, char** end, int base);
unsigned long __isoc23_strtoul(const char* text, char** end, int base);
long long __isoc23_strtoll(const char* text, char** end, int base);
unsigned long long __isoc23_strtoull(const char* text, char** end, int base);

long __isoc23_strtol(const char* text, char** end, int base) { return strtol(text, end, base); }

unsigned long __isoc23_strtoul(const char* text, char** end, int base) { return strtoul(text, end, base); }

long long __isoc23_strtoll(const char* text, char** end, int base) { return strtoll(text, end, base); }

unsigned long long __isoc23_strtoull(const char* text, char** end, int base) { return strtoull(text, end, base); }
