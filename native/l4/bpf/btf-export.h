/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * btf-export.h: makes the compiler describe every type of tandem_abi.h in the object's BTF, also those that no map and no program
 * names. `scripts/generate` writes src/l4/abi.gen.ts from that description. A new struct or enum of the ABI gets a member here.
 */
#ifndef TANDEM_BTF_EXPORT_H
#define TANDEM_BTF_EXPORT_H

#include "../../include/tandem_abi.h"

union tandem_abi_types {
  struct tandem_flow_key flow_key;
  struct tandem_flow flow;
  struct tandem_record record;
  struct tandem_service_key service_key;
  struct tandem_service service;
  struct tandem_server server;
  struct tandem_endpoint endpoint;
  struct tandem_address address;
  struct tandem_address6_key address6_key;
  struct tandem_virtual_router virtual_router;
  struct tandem_mac_key mac_key;
  struct tandem_steer_key steer_key;
  struct tandem_steer steer;
  struct tandem_next_hop next_hop;
  struct tandem_next_hop_key next_hop_key;
  struct tandem_lease lease;
  struct tandem_lease_args lease_args;
  struct tandem_apply_args apply_args;
  struct tandem_clock_args clock_args;
  struct tandem_digest digest;
  struct tandem_traffic traffic;
  struct tandem_settings settings;
  struct tandem_interface interface;
  struct tandem_notice notice;
  enum tandem_limit limit;
  enum tandem_protocol protocol;
  enum tandem_forward forward;
  enum tandem_scheduler scheduler;
  enum tandem_flow_state flow_state;
  enum tandem_flow_flag flow_flag;
  enum tandem_record_kind record_kind;
  enum tandem_server_flag server_flag;
  enum tandem_address_kind address_kind;
  enum tandem_router_flag router_flag;
  enum tandem_family family;
  enum tandem_next_hop_state next_hop_state;
  enum tandem_lease_operation lease_operation;
  enum tandem_lease_result lease_result;
  enum tandem_apply_mode apply_mode;
  enum tandem_notice_kind notice_kind;
  enum tandem_drop drop;
};

/* Never read: a global is what keeps the type alive. */
const volatile union tandem_abi_types tandem_abi_types = {};

#endif
