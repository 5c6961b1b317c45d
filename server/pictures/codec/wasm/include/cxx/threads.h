/* One thread: what the libraries lock and wait for is always theirs. */
#ifndef PODIUM_THREADS_H
#define PODIUM_THREADS_H
#include <chrono>
namespace std {
struct mutex {
  void lock() {}
  void unlock() {}
  bool try_lock() { return true; }
};
template <class M> struct lock_guard {
  explicit lock_guard(M &) {}
};
template <class M> struct unique_lock {
  explicit unique_lock(M &) {}
  void lock() {}
  void unlock() {}
};
struct condition_variable {
  template <class L> void wait(L &) { __builtin_trap(); }
  template <class L, class P> void wait(L &, P) {}
  void notify_one() {}
  void notify_all() {}
};
struct thread {
  thread() {}
  template <class... A> explicit thread(A &&...) { __builtin_trap(); }
  bool joinable() { return false; }
  void join() {}
};
enum class launch { async };
enum class future_status { ready };
template <class T> struct future {
  T value;
  T get() { return value; }
  template <class D> future_status wait_for(D) { return future_status::ready; }
};
template <class F, class... A> auto async(launch, F f, A &&...a) -> future<decltype(f(a...))> { __builtin_trap(); }
}
#endif
