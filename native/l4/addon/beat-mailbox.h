/* SPDX-License-Identifier: MIT */
/*
 * beat-mailbox.h: news on their way from the beat thread to JavaScript. There is one place for each thing that can be news (a peer heard,
 * a peer silent, a path, a lease), and the newest takes the place of an older one that was not collected yet: nothing is allocated, nothing
 * can overflow, and what is collected always ends in the present state. Whoever collects gets them in the order in which they happened.
 */
#ifndef TANDEM_ADDON_BEAT_MAILBOX_H
#define TANDEM_ADDON_BEAT_MAILBOX_H

#include "beat-peers.h"
#include "resources.h"
#include "shared-mutex.h"
#include "tandem_abi.h"

namespace tandem {

/* `order` 0: no news. */
struct BeatNews {
  struct Heard {
    uint64_t order, at_ns, instance;
    uint32_t interval_us, promise_us;
    uint8_t path;
    bool is_first;
    uint16_t payload_bytes;
    std::array<uint8_t, BEAT_MAX_PAYLOAD_BYTES> payload;
  };
  struct Silent {
    uint64_t order, at_ns, silent_ns;
  };
  struct Path {
    uint64_t order, at_ns;
    bool is_heard;
  };
  struct Lapse {
    uint64_t order, at_ns, terms;
  };
  std::array<Heard, BEAT_MAX_PEERS> heard;
  std::array<Silent, BEAT_MAX_PEERS> silent;
  std::array<std::array<Path, BEAT_MAX_PATHS>, BEAT_MAX_PEERS> paths;
  std::array<Lapse, TANDEM_MAX_VIRTUAL_ROUTERS> lapses;
  uint64_t last_order;
};

class BeatMailbox : public BeatListener {
 public:
  /* Throws NativeError. */
  BeatMailbox();
  /* Readable while news are waiting. */
  int fd() const { return wake_.get(); }
  void heard(size_t peer, const Beat &beat, bool is_first, uint64_t now_ns) override;
  void silent(size_t peer, uint64_t silent_ns, uint64_t now_ns) override;
  void path(size_t peer, size_t path, bool is_heard, uint64_t now_ns) override;
  /* `terms`: number of the agreement under which the lease was renewed; its owner may have made another one since. */
  void lapsed(size_t slot, uint64_t terms, uint64_t now_ns);
  /* Moves everything into `news`. */
  void collect(BeatNews &news);

 private:
  template <class Write>
  void post(Write write);

  SharedMutex mutex_;
  BeatNews news_{};
  Fd wake_;
};

}  // namespace tandem

#endif
