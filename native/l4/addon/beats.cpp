/* SPDX-License-Identifier: MIT */
#include "beats.h"

#include <algorithm>
#include <memory>

#include "beat-events.h"
#include "beat-options.h"
#include "monotonic.h"
#include "poll.h"

namespace tandem {
namespace {

/* No sensible silence and no sensible lease is longer; keeps sums of times far from overflow. */
constexpr uint32_t MOST_US = 3'600'000'000;

/* Names of BeatReject, in its order. */
constexpr const char *REJECT_NAMES[] = {"",           "truncated",   "magic", "version", "cluster", "ownSource", "unknownPeer",
                                        "path",       "unknownKey",  "tag",   "replay"};
static_assert(std::size(REJECT_NAMES) == BEAT_REJECTS);

class BeatHandle {
 public:
  static const napi_type_tag TAG;
  static constexpr const char *NAME = "beat channel";
  explicit BeatHandle(BeatOptions options)
      : thread_(std::make_unique<BeatThread>(std::move(options))), news_(std::make_unique<BeatNews>()) {}
  BeatHandle(const BeatHandle &) = delete;
  BeatHandle &operator=(const BeatHandle &) = delete;
  ~BeatHandle() { stop(); }

  /* `self` is the JavaScript object that owns this. */
  void listen(napi_env env, napi_value self, napi_value on_events) {
    auto callback = std::make_shared<Callback>(env, on_events);
    Poll::start(env, thread_->mailbox().fd(), self, [this, env, callback] { deliver(env, *callback); }, poll_);
  }

  napi_value say(Call &call) {
    BeatThread &thread = opened();
    const Bytes payload = call.argument(0, "payload").bytes();
    if (payload.size() > BEAT_MAX_PAYLOAD_BYTES)
      throw RangeMistake{"payload must not have more than " + std::to_string(BEAT_MAX_PAYLOAD_BYTES) + " bytes"};
    thread.say(payload);
    return js_undefined(call.env());
  }

  napi_value set_peer_key(Call &call) {
    BeatThread &thread = opened();
    const size_t peer = peer_of(thread, call.argument(0, "peerId"));
    const Argument key = call.argument(1, "key");
    const Argument latest = call.argument(2, "latest");
    const uint64_t limit = latest.is_nullish() ? UINT64_MAX : latest.bigint();
    thread.set_key(peer, key.is_nullish() ? std::nullopt : std::optional(read_sip_key(key)), limit);
    return js_undefined(call.env());
  }

  napi_value set_interval(Call &call) {
    BeatThread &thread = opened();
    thread.set_interval(call.argument(0, "intervalUs").integer(BEAT_LEAST_INTERVAL_US, BEAT_MOST_INTERVAL_US));
    return js_undefined(call.env());
  }

  napi_value watch(Call &call) {
    BeatThread &thread = opened();
    const size_t peer = peer_of(thread, call.argument(0, "peerId"));
    thread.watch(peer, call.argument(1, "silentAfterUs").integer(0, MOST_US) * NS_PER_US);
    return js_undefined(call.env());
  }

  napi_value hold(Call &call) {
    BeatThread &thread = opened();
    BeatLeases::Terms terms;
    for (const Argument &slot : call.argument(0, "slots").elements()) {
      if (terms.count == terms.slots.size()) throw RangeMistake{"slots must not be more than " + std::to_string(terms.slots.size())};
      terms.slots[terms.count++] = slot.integer(0, TANDEM_MAX_VIRTUAL_ROUTERS - 1);
    }
    terms.life_ns = call.argument(1, "lifeUs").integer(0, MOST_US) * NS_PER_US;
    terms.drain_ns = call.argument(2, "drainNs").bigint();
    terms.instance = call.argument(3, "instance").bigint();
    terms.until_ns = call.argument(4, "untilNs").bigint();
    thread.leases().hold(terms);
    return js_undefined(call.env());
  }

  napi_value promise(Call &call) {
    BeatThread &thread = opened();
    thread.set_promise(call.argument(0, "promiseUs").integer(0, MOST_US));
    return js_undefined(call.env());
  }

  napi_value stats(Call &call) {
    BeatThread &thread = opened();
    const napi_env env = call.env();
    BeatStats &stats = thread.stats();
    auto count = [env](uint64_t value) { return js_number(env, static_cast<double>(value)); };
    napi_value result = js_object(env), rejected = js_object(env);
    for (size_t i = 1; i < BEAT_REJECTS; i++) set_property(env, rejected, REJECT_NAMES[i], count(stats.rejected[i]));
    set_property(env, result, "sent", count(stats.sent));
    set_property(env, result, "received", count(stats.received));
    set_property(env, result, "sendErrors", count(stats.send_errors));
    set_property(env, result, "rejected", rejected);
    set_property(env, result, "lateMaxUs", count(stats.late_max_us.exchange(0)));
    set_property(env, result, "lateCount", count(stats.late_count));
    set_property(env, result, "silenced", count(stats.silenced));
    set_property(env, result, "renewals", count(thread.leases().renewals()));
    set_property(env, result, "lapses", count(thread.leases().lapses()));
    set_property(env, result, "realtime", js_boolean(env, thread.is_realtime()));
    set_property(env, result, "pathErrors", path_errors(env, thread));
    return result;
  }

  napi_value close(Call &call) {
    stop();
    return js_undefined(call.env());
  }

 private:
  /* Each call of the owner shows that it lives. */
  BeatThread &opened() const {
    if (!thread_) throw NativeError{"CLOSED", "the beat channel is closed", 0, "", ""};
    thread_->owner_lives();
    return *thread_;
  }

  static size_t peer_of(const BeatThread &thread, const Argument &argument) {
    const auto &peers = thread.options().peers;
    const auto found = std::find(peers.begin(), peers.end(), argument.integer(1, UINT8_MAX));
    if (found == peers.end()) throw RangeMistake{std::string(argument.name) + " must be one of the peers of this channel"};
    return static_cast<size_t>(found - peers.begin());
  }

  static napi_value path_errors(napi_env env, const BeatThread &thread) {
    std::vector<napi_value> errors;
    for (const auto &path : thread.options().paths) {
      const int error = path->error();
      errors.push_back(error ? js_string(env, describe_errno("the path does not work", error)) : js_null(env));
    }
    return js_array(env, errors);
  }

  void stop() {
    if (poll_) poll_->close();
    thread_.reset();
  }

  void deliver(napi_env env, Callback &callback) {
    thread_->mailbox().collect(*news_);
    const auto events = js_beat_events(env, *news_, thread_->options().peers, thread_->leases().terms());
    if (events.empty()) return;
    const napi_value argument = js_array(env, events);
    callback.call({&argument, 1});
  }

  std::unique_ptr<BeatThread> thread_;
  std::unique_ptr<BeatNews> news_;
  Poll *poll_ = nullptr;
};
const napi_type_tag BeatHandle::TAG = {0x2f96d1c47be84a03, 0xa8c57e10d3b962f4};

}  // namespace

napi_value latest_beat(Call &call) { return js_bigint(call.env(), beat_sequence()); }

napi_value open_beats(Call &call) {
  BeatOptions options = read_beat_options(call.argument(0, "options"));
  const napi_value on_events = call.argument(1, "onEvents").function();
  auto handle = std::make_unique<BeatHandle>(std::move(options));
  BeatHandle *native = handle.get();
  using H = BeatHandle;
  const napi_property_descriptor methods[] = {
      method<H, &H::say>("say"),         method<H, &H::set_peer_key>("setPeerKey"), method<H, &H::set_interval>("setIntervalUs"),
      method<H, &H::watch>("watch"),     method<H, &H::hold>("hold"),               method<H, &H::promise>("promise"),
      method<H, &H::stats>("stats"),     method<H, &H::close>("close"),
  };
  napi_value object = js_owner(call.env(), std::move(handle), methods);
  native->listen(call.env(), object, on_events);
  return object;
}

}  // namespace tandem
