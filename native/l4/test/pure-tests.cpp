/* SPDX-License-Identifier: MIT */
#include "pure-tests.h"

#include "check.h"

int main() {
  test_siphash();
  test_beat_wire();
  test_beat_peers();
  test_link_messages();
  return tandem_test::finish("pure");
}
