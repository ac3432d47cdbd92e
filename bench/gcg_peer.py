"""Runs nanogcg in its own environment on a model, a tokenizer and a prompt from files.

Called by gcg.py with the interpreter that SPARRING_PEER names:

    python -m venv peer && peer/bin/pip install "torch==2.13.0" nanogcg
    export SPARRING_PEER=peer/bin/python
"""

import argparse
import json
import logging
import time
from pathlib import Path

import nanogcg
import torch
import transformers
from nanogcg.gcg import GCG
from safetensors.torch import load_file


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("job", type=Path, help="JSON: model, config, messages, target and nanogcg's settings")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("nanogcg").setLevel(logging.ERROR)
    job = json.loads(options.job.read_text())
    folder = Path(job["model"])
    # This transformers reads neither the configuration nor the tokenizer's class as a later one writes them.
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**job["config"]))
    weights = load_file(folder / "model.safetensors")
    missing, unexpected = model.load_state_dict({name: one.float() for name, one in weights.items()}, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    model.tie_weights()
    model.eval()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), eos_token="<|im_end|>"
    )
    # Without a token that begins a text: nanogcg cuts that out of the prompt, and here it begins every turn.
    tokenizer.chat_template = (folder / "chat_template.jinja").read_text()
    attack = GCG(model, tokenizer, nanogcg.GCGConfig(**job["settings"], seed=0, verbosity="ERROR"))
    begun, worked = time.perf_counter(), time.process_time()
    result = attack.run(job["messages"], job["target"])
    record = {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - worked,
        "losses": [float(loss) for loss in result.losses],
        "best": result.best_string,
        "versions": f"nanogcg 0.3.0, torch {torch.__version__}, transformers {transformers.__version__}",
    }
    options.out.write_text(json.dumps(record))


if __name__ == "__main__":
    main()
