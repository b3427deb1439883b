/* SPDX-License-Identifier: MIT */
#include "realtime.h"

#include <dirent.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "monotonic.h"

namespace tandem {
namespace {

napi_value outcome(napi_env env, const std::string &reason) {
  napi_value result = js_object(env);
  set_property(env, result, "ok", js_boolean(env, reason.empty()));
  if (!reason.empty()) set_property(env, result, "reason", js_string(env, reason));
  return result;
}

bool has_capability(unsigned capability) {
  std::ifstream status("/proc/self/status");
  for (std::string label; status >> label;) {
    uint64_t effective = 0;
    if (label == "CapEff:" && status >> std::hex >> effective) return effective >> capability & 1;
  }
  return false;
}

/* The garbage collector's helpers count too: the main thread waits for them. */
std::string set_all_threads(int priority) {
  std::unique_ptr<DIR, int (*)(DIR *)> tasks(opendir("/proc/self/task"), closedir);
  if (!tasks) return describe_errno("cannot list the threads", errno);
  while (const dirent *entry = readdir(tasks.get())) {
    const pid_t thread = static_cast<pid_t>(strtol(entry->d_name, nullptr, 10));
    sched_param parameters{};
    parameters.sched_priority = priority;
    if (thread > 0 && sched_setscheduler(thread, SCHED_FIFO, &parameters) && errno != ESRCH)
      return describe_errno("cannot set SCHED_FIFO", errno) + "; give the process CAP_SYS_NICE or LimitRTPRIO=" + std::to_string(priority);
  }
  return "";
}

}  // namespace

napi_value set_realtime(Call &call) {
  const auto most = static_cast<uint32_t>(sched_get_priority_max(SCHED_FIFO));
  return outcome(call.env(), set_all_threads(static_cast<int>(call.argument(0, "priority").integer(1, most))));
}

napi_value lock_memory(Call &call) {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  /* Under a limit the lock would succeed now and let a later allocation fail. */
  if (limit.rlim_cur != RLIM_INFINITY && !has_capability(CAP_IPC_LOCK))
    return outcome(call.env(), "memory may not be locked without limit; give the process CAP_IPC_LOCK or LimitMEMLOCK=infinity");
  /* On fault: the large address ranges that V8 only reserves must not become resident. */
  if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) return outcome(call.env(), describe_errno("cannot lock memory", errno));
  return outcome(call.env(), "");
}

napi_value monotonic_ns(Call &call) {
  return js_bigint(call.env(), monotonic_now_ns());
}

}  // namespace tandem
