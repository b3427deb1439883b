/* SPDX-License-Identifier: MIT */
#include "beat-events.h"

#include <algorithm>

#include "monotonic.h"

namespace tandem {
namespace {

napi_value event_of(napi_env env, const char *type, uint64_t at_ns) {
  napi_value event = js_object(env);
  set_property(env, event, "type", js_string(env, type));
  set_property(env, event, "atNs", js_bigint(env, at_ns));
  return event;
}

napi_value heard_event(napi_env env, const BeatNews::Heard &news, uint8_t peer) {
  napi_value event = event_of(env, "heard", news.at_ns);
  set_property(env, event, "peer", js_number(env, peer));
  set_property(env, event, "instance", js_bigint(env, news.instance));
  set_property(env, event, "intervalUs", js_number(env, news.interval_us));
  set_property(env, event, "promiseUs", js_number(env, news.promise_us));
  set_property(env, event, "payload", js_buffer(env, {news.payload.data(), news.payload_bytes}));
  set_property(env, event, "path", js_number(env, news.path));
  set_property(env, event, "isFirst", js_boolean(env, news.is_first));
  return event;
}

napi_value silent_event(napi_env env, const BeatNews::Silent &news, uint8_t peer) {
  napi_value event = event_of(env, "silent", news.at_ns);
  set_property(env, event, "peer", js_number(env, peer));
  set_property(env, event, "silentUs", js_number(env, static_cast<double>(news.silent_ns / NS_PER_US)));
  return event;
}

napi_value path_event(napi_env env, const BeatNews::Path &news, uint8_t peer, size_t path) {
  napi_value event = event_of(env, "path", news.at_ns);
  set_property(env, event, "peer", js_number(env, peer));
  set_property(env, event, "path", js_number(env, static_cast<double>(path)));
  set_property(env, event, "isHeard", js_boolean(env, news.is_heard));
  return event;
}

napi_value lapsed_event(napi_env env, const BeatNews::Lapse &news, size_t slot) {
  napi_value event = event_of(env, "lapsed", news.at_ns);
  set_property(env, event, "slot", js_number(env, static_cast<double>(slot)));
  return event;
}

}  // namespace

std::vector<napi_value> js_beat_events(napi_env env, const BeatNews &news, std::span<const uint8_t> peers, uint64_t terms) {
  std::vector<std::pair<uint64_t, napi_value>> ordered;
  for (size_t i = 0; i < peers.size(); i++) {
    if (news.heard[i].order) ordered.emplace_back(news.heard[i].order, heard_event(env, news.heard[i], peers[i]));
    if (news.silent[i].order) ordered.emplace_back(news.silent[i].order, silent_event(env, news.silent[i], peers[i]));
    for (size_t path = 0; path < BEAT_MAX_PATHS; path++)
      if (news.paths[i][path].order) ordered.emplace_back(news.paths[i][path].order, path_event(env, news.paths[i][path], peers[i], path));
  }
  for (size_t slot = 0; slot < news.lapses.size(); slot++)
    if (news.lapses[slot].order && news.lapses[slot].terms == terms)
      ordered.emplace_back(news.lapses[slot].order, lapsed_event(env, news.lapses[slot], slot));
  std::sort(ordered.begin(), ordered.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
  std::vector<napi_value> events;
  for (const auto &[order, event] : ordered) events.push_back(event);
  return events;
}

}  // namespace tandem
