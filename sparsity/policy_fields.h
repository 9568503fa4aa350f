#pragma once

#include <coppice/core/export.h>
#include <coppice/sparsity/field.h>
#include <coppice/sparsity/policy.h>

namespace coppice::sparsity::detail {

/// Every field of the policy, in order: what to_pairs() and set() know, and recipes beside them.
COPPICE_API Fields fields_of(MaskPolicy& policy);

}  // namespace coppice::sparsity::detail
