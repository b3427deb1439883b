/* SPDX-License-Identifier: MIT */
#include "beat-mailbox.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "errors.h"

namespace tandem {

BeatMailbox::BeatMailbox() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!wake_) throw_errno("cannot make an event descriptor", errno);
}

template <class Write>
void BeatMailbox::post(Write write) {
  {
    std::lock_guard lock(mutex_);
    write(++news_.last_order);
  }
  eventfd_write(wake_.get(), 1);
}

void BeatMailbox::heard(size_t peer, const Beat &beat, bool is_first, uint64_t now_ns) {
  post([&](uint64_t order) {
    BeatNews::Heard &place = news_.heard[peer];
    place.is_first = is_first || (place.order && place.is_first);
    place.order = order;
    place.at_ns = now_ns;
    place.instance = beat.instance;
    place.interval_us = beat.interval_us;
    place.promise_us = beat.promise_us;
    place.path = beat.path;
    place.payload_bytes = static_cast<uint16_t>(beat.payload.size());
    std::copy(beat.payload.begin(), beat.payload.end(), place.payload.begin());
  });
}

void BeatMailbox::silent(size_t peer, uint64_t silent_ns, uint64_t now_ns) {
  post([&](uint64_t order) { news_.silent[peer] = {order, now_ns, silent_ns}; });
}

void BeatMailbox::path(size_t peer, size_t path, bool is_heard, uint64_t now_ns) {
  post([&](uint64_t order) { news_.paths[peer][path] = {order, now_ns, is_heard}; });
}

void BeatMailbox::lapsed(size_t slot, uint64_t terms, uint64_t now_ns) {
  if (slot >= news_.lapses.size()) return;
  post([&](uint64_t order) { news_.lapses[slot] = {order, now_ns, terms}; });
}

void BeatMailbox::collect(BeatNews &news) {
  eventfd_t count = 0;
  eventfd_read(wake_.get(), &count);
  std::lock_guard lock(mutex_);
  news = news_;
  news_.last_order = 0;
  for (auto &place : news_.heard) place.order = 0;
  for (auto &place : news_.silent) place.order = 0;
  for (auto &paths : news_.paths)
    for (auto &place : paths) place.order = 0;
  for (auto &place : news_.lapses) place.order = 0;
}

}  // namespace tandem
