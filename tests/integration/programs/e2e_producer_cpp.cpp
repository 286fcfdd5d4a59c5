// SPDX-License-Identifier: MIT
//
// The same producer as C++.
#include "tests/integration/programs/e2e_producer.c"
