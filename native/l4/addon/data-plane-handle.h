/* SPDX-License-Identifier: MIT */
/*
 * data-plane-handle.h: `DataPlane` of src/l4/native.ts: arguments in, JavaScript values out, nothing else.
 */
#ifndef TANDEM_ADDON_DATA_PLANE_HANDLE_H
#define TANDEM_ADDON_DATA_PLANE_HANDLE_H

#include "js.h"

namespace tandem {

/* load(options: LoadOptions): DataPlane */
napi_value load_data_plane(Call &call);

}  // namespace tandem

#endif
