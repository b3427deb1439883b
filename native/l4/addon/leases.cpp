/* SPDX-License-Identifier: MIT */
#include "leases.h"

#include <net/if.h>

#include <memory>

#include "bpf-program.h"
#include "pins.h"
#include "tandem_abi.h"
#include "xdp-link.h"

namespace tandem {
namespace {

const char *result_name(uint32_t result) {
  switch (result) {
    case TANDEM_LEASE_OK:
      return "ok";
    case TANDEM_LEASE_LAPSED:
      return "lapsed";
    case TANDEM_LEASE_FOREIGN:
      return "foreign";
    default:
      return "badSlot";
  }
}

class LeaseHandle {
 public:
  static const napi_type_tag TAG;
  static constexpr const char *NAME = "lease keeper";
  explicit LeaseHandle(const std::string &pin_dir) : pins_(pin_dir) {
    pins_.require();
    auto program = pins_.open("prog_lease");
    if (!program) throw NativeError{"NOT_LOADED", "no lease program is pinned at " + pin_dir, 0, "start the node: tandem run", ""};
    program_ = std::move(*program);
  }

  napi_value acquire(Call &call) { return extend(call, TANDEM_LEASE_ACQUIRE); }
  napi_value renew(Call &call) { return extend(call, TANDEM_LEASE_RENEW); }

  napi_value release(Call &call) {
    tandem_lease_args args = arguments(call, TANDEM_LEASE_RELEASE);
    args.drain_ns = call.argument(1, "drainNs").bigint();
    args.admit_ns = call.argument(2, "admitNs").bigint();
    args.instance = call.argument(3, "instance").bigint();
    return run(call.env(), args);
  }

  napi_value read(Call &call) { return run(call.env(), arguments(call, TANDEM_LEASE_READ)); }

  napi_value is_attached(Call &call) {
    require_open();
    return js_boolean(call.env(), is_linked(pins_, call.argument(0, "interfaceName").string()));
  }

  napi_value close(Call &call) {
    program_ = Fd();
    return js_undefined(call.env());
  }

 private:
  void require_open() const {
    if (!program_) throw NativeError{"CLOSED", "the lease keeper is closed", 0, "", ""};
  }

  tandem_lease_args arguments(Call &call, tandem_lease_operation operation) const {
    require_open();
    tandem_lease_args args{};
    args.slot = call.argument(0, "slot").integer(0, UINT32_MAX);
    args.operation = operation;
    return args;
  }

  napi_value extend(Call &call, tandem_lease_operation operation) {
    tandem_lease_args args = arguments(call, operation);
    args.duration_ns = call.argument(1, "durationNs").bigint();
    args.drain_ns = call.argument(2, "drainNs").bigint();
    args.instance = call.argument(3, "instance").bigint();
    return run(call.env(), args);
  }

  napi_value run(napi_env env, tandem_lease_args args) {
    run_syscall_program(program_.get(), args, "tandem_lease");
    napi_value state = js_object(env);
    set_property(env, state, "result", js_string(env, result_name(args.result)));
    set_property(env, state, "nowNs", js_bigint(env, args.now_ns));
    set_property(env, state, "deadlineNs", js_bigint(env, args.lease.deadline_ns));
    set_property(env, state, "drainUntilNs", js_bigint(env, args.lease.drain_until_ns));
    set_property(env, state, "startedNs", js_bigint(env, args.lease.started_ns));
    set_property(env, state, "instance", js_bigint(env, args.lease.instance));
    set_property(env, state, "verifiedNs", js_bigint(env, args.lease.verified_ns));
    return state;
  }

  Pins pins_;
  Fd program_;
};
const napi_type_tag LeaseHandle::TAG = {0x51d06b0c9a7f4e38, 0x97b3e4c2f05a8d61};

}  // namespace

napi_value open_leases(Call &call) {
  auto handle = std::make_unique<LeaseHandle>(call.argument(0, "pinDir").string());
  using H = LeaseHandle;
  const napi_property_descriptor methods[] = {
      method<H, &H::acquire>("acquire"),
      method<H, &H::renew>("renew"),
      method<H, &H::release>("release"),
      method<H, &H::read>("read"),
      method<H, &H::is_attached>("isAttached"),
      method<H, &H::close>("close"),
  };
  return js_owner(call.env(), std::move(handle), methods);
}

}  // namespace tandem
