#pragma once

#include <type_traits>
#include <utility>

/// The switch that instrumented headers ask: which one of their changes is in force. mutate.cpp writes these calls.
namespace mutant {

inline int active = 0;         // 0: the program as written
inline char* asked = nullptr;  // where it is noted which changes the program asks for, if anywhere
inline bool on(int id) {
  if (asked != nullptr) asked[id] = 1;
  return active == id;
}

/// A constant, or one more than it.
template <typename T>
T constant(int id, T value) {
  return on(id) ? static_cast<T>(value + 1) : value;
}
/// An index, or the one before it: always in range.
template <typename T>
T index(int id, T value) {
  return on(id) && value > 0 ? static_cast<T>(value - 1) : value;
}
/// ++i, or i += 2.
template <typename T>
T& next(int id, T& i) {
  return i += on(id) ? 2 : 1;
}

/// Stands between the operands of a binary operator that is written twice, as in `a +by(7)+ b`, and does one operator
/// or another: precedence and grouping stay as they are.
struct By {
  int id;
};
inline By by(int id) { return {id}; }
template <typename A>
struct Left {
  const A& a;
  int id;
};
template <typename B>
struct Right {
  const B& b;
  int id;
};

#define MUTANT_BINARY(written, instead)                                                              \
  template <typename A>                                                                              \
  Left<A> operator written(const A& a, By by) {                                                      \
    return {a, by.id};                                                                               \
  }                                                                                                  \
  template <typename A, typename B>                                                                  \
  auto operator written(const Left<A>& left, const B& b)->std::decay_t<decltype(left.a written b)> { \
    if (on(left.id)) return left.a instead b;                                                        \
    return left.a written b;                                                                         \
  }
MUTANT_BINARY(+, -)
MUTANT_BINARY(-, +)
MUTANT_BINARY(*, /)
MUTANT_BINARY(/, *)
MUTANT_BINARY(%, /)
MUTANT_BINARY(<, <=)
MUTANT_BINARY(<=, <)
MUTANT_BINARY(>, >=)
MUTANT_BINARY(>=, >)
MUTANT_BINARY(==, !=)
MUTANT_BINARY(!=, ==)
#undef MUTANT_BINARY

/// `a +=by(7)+= b`: the right one binds first.
template <typename B>
Right<B> operator+=(By by, const B& b) {
  return {b, by.id};
}
template <typename A, typename B>
A& operator+=(A& a, const Right<B>& right) {
  if (on(right.id))
    a = a - right.b;
  else
    a += right.b;
  return a;
}
/// `minus(7) * a`: -a, or a.
struct Minus {
  int id;
};
inline Minus minus(int id) { return {id}; }
template <typename A>
A operator*(Minus minus, const A& a) {
  return on(minus.id) ? a : -a;
}

}  // namespace mutant
