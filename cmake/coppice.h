#pragma once

// Everything of coppice::coppice that a program usually needs.

#include <coppice/autograd/engine.h>
#include <coppice/autograd/function.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mlp.h>
#include <coppice/models/mnist_cnn.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/fine_tune.h>
#include <coppice/models/nn/flatten.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/models/nn/pool.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/models/resnet.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/memory_format.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/schedule.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/softmax.h>
#include <coppice/sparsity/controller.h>
#include <coppice/sparsity/distribution.h>
#include <coppice/sparsity/policy.h>
