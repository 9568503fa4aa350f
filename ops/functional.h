#pragma once

// Every operation on tensors.

#include <coppice/ops/activation.h>
#include <coppice/ops/affine_grid.h>
#include <coppice/ops/batch_norm.h>
#include <coppice/ops/cat.h>
#include <coppice/ops/conv2d.h>
#include <coppice/ops/correlation.h>
#include <coppice/ops/cross_correlation.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/deform_conv2d.h>
#include <coppice/ops/diagonal.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/embedding.h>
#include <coppice/ops/gather.h>
#include <coppice/ops/grid_sample.h>
#include <coppice/ops/index.h>
#include <coppice/ops/interpolate.h>
#include <coppice/ops/linear.h>
#include <coppice/ops/masked.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/memory_format.h>
#include <coppice/ops/pad.h>
#include <coppice/ops/pixel_shuffle.h>
#include <coppice/ops/pool2d.h>
#include <coppice/ops/range.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/repeat.h>
#include <coppice/ops/roll.h>
#include <coppice/ops/softmax.h>
#include <coppice/ops/sort.h>
#include <coppice/ops/split.h>
#include <coppice/ops/unfold.h>
#include <coppice/ops/view.h>
