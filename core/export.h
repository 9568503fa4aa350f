#pragma once

/// Marks a symbol as part of the shared library's interface; everything else is hidden.
#define COPPICE_API __attribute__((visibility("default")))
