/* SPDX-License-Identifier: MIT */
/* pure-tests.h: the tests of the parts of the addon that need neither Node nor the kernel. */
#ifndef TANDEM_TEST_PURE_TESTS_H
#define TANDEM_TEST_PURE_TESTS_H

void test_siphash();
void test_beat_wire();
void test_beat_peers();
void test_link_messages();

#endif
