#pragma once

#include "tests/golden/check.h"

// One table per file of values, each in the source of its name.

namespace coppice::golden {

Table activations();
Table attention();
Table curves();
Table elementwise();
Table indexing();
Table joining();
Table losses();
Table masked();
Table norms();
Table optimisers();
Table pools();
Table products();
Table reductions();
Table resampling();
Table training();
Table views();
Table vision();

}  // namespace coppice::golden
