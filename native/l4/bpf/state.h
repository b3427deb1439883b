/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * state.h: the TCP state of a record, from the flags of the packets that pass. It only chooses the idle timeout and when the peers are
 * told; it never judges a packet. With dsr only the client's half is seen.
 */
#ifndef TANDEM_STATE_H
#define TANDEM_STATE_H

#include "flow.h"
#include "parse.h"

INLINE bool is_opening(__u8 flags)
{
  return (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* Nothing to do for the bulk of all packets: data and ACKs of an established connection. */
INLINE bool state_may_change(__u8 state, __u8 flags)
{
  return state != TANDEM_FLOW_ESTABLISHED || (flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

INLINE __u8 state_after_client(__u8 state, __u8 flags, bool is_dsr)
{
  if (flags & TCP_RST)
    return TANDEM_FLOW_CLOSED;
  if (flags & TCP_FIN)
    return state == TANDEM_FLOW_FIN_SERVER || state == TANDEM_FLOW_CLOSED ? TANDEM_FLOW_CLOSED : TANDEM_FLOW_FIN_CLIENT;
  if ((flags & (TCP_SYN | TCP_ACK)) != TCP_ACK)
    return state;
  if (state == TANDEM_FLOW_SYN_ACK || (is_dsr && state == TANDEM_FLOW_SYN))
    return TANDEM_FLOW_ESTABLISHED;
  return state;
}

/* A server that sends anything but SYN+ACK or RST has seen the handshake through, whether we saw all of it or not. */
INLINE __u8 state_after_server(__u8 state, __u8 flags)
{
  if (flags & TCP_RST)
    return TANDEM_FLOW_CLOSED;
  if (flags & TCP_FIN)
    return state == TANDEM_FLOW_FIN_CLIENT || state == TANDEM_FLOW_CLOSED ? TANDEM_FLOW_CLOSED : TANDEM_FLOW_FIN_SERVER;
  if (state > TANDEM_FLOW_SYN_ACK || !(flags & TCP_ACK))
    return state;
  return flags & TCP_SYN ? TANDEM_FLOW_SYN_ACK : TANDEM_FLOW_ESTABLISHED;
}

/* Peers need the states that change a timeout by much; SYN_ACK follows SYN within a round trip and is not worth an event. */
__noinline int state_change(struct tandem_flow *flow, struct tandem_flow_key *key, __u32 after, __u32 virtual_router)
{
  if (!flow || !key)
    return 0;
  flow->state = after;
  if (after >= TANDEM_FLOW_ESTABLISHED)
    event_changed(virtual_router, key, flow);
  return 0;
}

#endif
