// For std::visit: one lambda for each alternative; the compiler finds the missing one.
#pragma once

namespace hedgerow {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace hedgerow
