// Objects that g++ 13 or later compiled name this function wherever <iostream> was included: it makes the linker pull in
// the initialisation of the standard streams. libstdc++ 12 lacks it, and initialises them from each such object instead.
// Paho C++, the only one concerned, includes the header but uses no standard stream: nothing to do.
#include <cstddef>

#if defined(__GLIBCXX__) && _GLIBCXX_RELEASE < 13
extern "C" void _ZSt21ios_base_library_initv();
extern "C" void _ZSt21ios_base_library_initv() {}
#endif
