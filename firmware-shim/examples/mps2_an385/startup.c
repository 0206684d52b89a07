/* From reset to main(): what a vendor's kit would bring. Armv7-M. */
#include <stdint.h>

extern uint32_t data_begin, data_end, data_load, bss_begin, bss_end, stack_top;

int main(void);
void sys_tick(void);
void uart_received(void);
void reset(void);

static void halt(void) {
  for (;;) __asm volatile("wfi");
}

void reset(void) {
  const uint32_t* from = &data_load;
  for (uint32_t* to = &data_begin; to < &data_end; to++) *to = *from++;
  for (uint32_t* to = &bss_begin; to < &bss_end; to++) *to = 0;
  main();
  halt();
}

typedef union {
  void (*handler)(void);
  uint32_t* stack;
} vector;

/* Reset, NMI, faults, SVCall, PendSV, SysTick; then the board's: UART 0 has received. */
__attribute__((section(".vectors"), used)) static const vector vectors[] = {
    [0] = {.stack = &stack_top}, [1] = {.handler = reset},     [2] = {.handler = halt},
    [3] = {.handler = halt},     [4] = {.handler = halt},      [5] = {.handler = halt},
    [6] = {.handler = halt},     [11] = {.handler = halt},     [12] = {.handler = halt},
    [14] = {.handler = halt},    [15] = {.handler = sys_tick}, [16] = {.handler = uart_received},
};
