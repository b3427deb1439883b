/* SPDX-License-Identifier: MIT */
/*
 * module.cpp: what the addon exports: `NativeL4` of src/l4/native.ts, and setErrorClass() for its loader. Usable from several worker
 * threads at once: nothing here is shared between environments.
 */
#include "beats.h"
#include "data-plane-handle.h"
#include "file-lock.h"
#include "frames.h"
#include "hop-limit-filter.h"
#include "js.h"
#include "leases.h"
#include "link-monitor.h"
#include "realtime.h"

namespace {

using tandem::Call;
using tandem::guarded;

napi_value set_error_class(Call &call) {
  tandem::set_error_class(call.env(), call.argument(0, "errorClass").function());
  return tandem::js_undefined(call.env());
}

template <tandem::Function F>
napi_property_descriptor exported(const char *name) {
  return {name, nullptr, guarded<F>, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      exported<tandem::load_data_plane>("load"),         exported<tandem::open_leases>("openLeases"),
      exported<tandem::open_frames>("openFrames"),       exported<tandem::monotonic_ns>("monotonicNs"),
      exported<tandem::set_realtime>("setRealtime"),     exported<tandem::lock_memory>("lockMemory"),
      exported<tandem::open_beats>("openBeats"),         exported<tandem::open_link_monitor>("openLinkMonitor"),
      exported<tandem::latest_beat>("latestBeat"),       exported<set_error_class>("setErrorClass"),
      exported<tandem::open_hop_limit_filter>("openHopLimitFilter"), exported<tandem::lock_file>("lockFile"),
  };
  try {
    tandem::check(env, napi_define_properties(env, exports, std::size(functions), functions));
  } catch (...) {
    tandem::throw_to_js(env);
  }
  return exports;
}
