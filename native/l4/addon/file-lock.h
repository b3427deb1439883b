/* SPDX-License-Identifier: MIT */
/*
 * file-lock.h: `FileLock` of src/l4/native.ts: what only one process at a time may be. The kernel frees it when its process ends, however.
 */
#ifndef TANDEM_ADDON_FILE_LOCK_H
#define TANDEM_ADDON_FILE_LOCK_H

#include "js.h"

namespace tandem {

/* lockFile(path): FileLock | null; null: another process has it */
napi_value lock_file(Call &call);

}  // namespace tandem

#endif
