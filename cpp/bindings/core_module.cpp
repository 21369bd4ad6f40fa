// siamaudio._core: networks, training and scoring on LibTorch. Never touches a file.
#include "bindings/core_module.h"

#include "bindings/errors.h"

PYBIND11_MODULE(_core, module) {
  siamaudio::register_errors(module);
  siamaudio::bind_device(module);
  siamaudio::bind_distance(module);
  siamaudio::bind_calibration(module);
  siamaudio::bind_encoder(module);
  siamaudio::bind_siamese(module);
  siamaudio::bind_oneshot(module);
  siamaudio::bind_fewshot(module);
  siamaudio::bind_nearest(module);
  siamaudio::bind_retrieval(module);
  siamaudio::bind_losses(module);
  siamaudio::bind_optimizers(module);
  siamaudio::bind_sampling(module);
  siamaudio::bind_augment(module);
  siamaudio::bind_trainer(module);
}
