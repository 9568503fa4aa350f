#pragma once

// Every layer, and what one does with networks of them.

#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/attention.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/checkpointing.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/fine_tune.h>
#include <coppice/models/nn/flatten.h>
#include <coppice/models/nn/fold.h>
#include <coppice/models/nn/foreign_weights.h>
#include <coppice/models/nn/inference_session.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/models/nn/moving_average.h>
#include <coppice/models/nn/norms.h>
#include <coppice/models/nn/pool.h>
#include <coppice/models/nn/sequential.h>
