#pragma once

// Everything of coppice::coppice that a program usually needs.

#include <coppice/autograd/checkpoint.h>
#include <coppice/autograd/engine.h>
#include <coppice/autograd/function.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/io/pth.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mlp.h>
#include <coppice/models/mnist_cnn.h>
#include <coppice/models/mobilenet.h>
#include <coppice/models/nn/layers.h>
#include <coppice/models/raft_encoder.h>
#include <coppice/models/resnet.h>
#include <coppice/models/wide_resnet.h>
#include <coppice/ops/functional.h>
#include <coppice/ops/optim/adam.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/clip.h>
#include <coppice/ops/optim/rmsprop.h>
#include <coppice/ops/optim/schedule.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/controller.h>
#include <coppice/sparsity/distribution.h>
#include <coppice/sparsity/policy.h>
