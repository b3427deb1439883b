/* SPDX-License-Identifier: MIT */
/*
 * shared-mutex.h: a mutex between a real-time thread and others: who holds it inherits the priority of who waits for it, so that a
 * busy machine cannot keep the real-time thread waiting behind a thread that is not given a CPU.
 */
#ifndef TANDEM_ADDON_SHARED_MUTEX_H
#define TANDEM_ADDON_SHARED_MUTEX_H

#include <pthread.h>

namespace tandem {

class SharedMutex {
 public:
  SharedMutex() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  SharedMutex(const SharedMutex &) = delete;
  SharedMutex &operator=(const SharedMutex &) = delete;
  ~SharedMutex() { pthread_mutex_destroy(&mutex_); }
  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

}  // namespace tandem

#endif
