"""What all tests share."""

import torch

# The nets here are tiny and tests run side by side: more threads would only wait for each other.
torch.set_num_threads(1)
