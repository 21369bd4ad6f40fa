"""What Keras's optimizers make of given gradients; run by another interpreter, see test_keras_optimizers.py.

Reads a JSON list of cases from the first file and arrays from the second (.npz), writes arrays to the third.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from keras import Variable, ops, optimizers

with open(sys.argv[1], encoding="utf-8") as file:
    cases = json.load(file)
given = np.load(sys.argv[2])
num_parameters = sum(name.startswith("parameter") for name in given)

results = {}
for i, case in enumerate(cases):
    variables = [Variable(given[f"parameter{p}"], dtype="float32") for p in range(num_parameters)]
    optimizer = getattr(optimizers, case["class"])(**case["arguments"])
    optimizer.build(variables)
    if case["class"] == "AdamW":
        optimizer.exclude_from_weight_decay([variable for variable in variables if len(variable.shape) < 2])
    for step, lr in enumerate(case["lrs"]):
        optimizer.learning_rate = lr
        gradients = [ops.convert_to_tensor(given[f"gradient{step}_{p}"]) for p in range(num_parameters)]
        optimizer.apply(gradients)
    for p, variable in enumerate(variables):
        results[f"{i}_{p}"] = ops.convert_to_numpy(variable)
np.savez(sys.argv[3], **results)
