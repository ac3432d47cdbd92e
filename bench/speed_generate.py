"""Tokens per second: this package's batched writing beside transformers' `generate`, same model, same machine, one run.

SmolLM2-135M-Instruct; 256 questions through the chat template, sorted by length for both sides; at most
56 tokens, nucleus 0.8, temperature 1. Tokens that count are those before a reply's end. Run it alone on the machine:

    OMP_NUM_THREADS=2 python bench/speed_generate.py

Results of 2026-11-28, 2 cores of an AMD EPYC without AVX-512 (float32), torch 2.13.0, transformers 5.23.0, nothing else running, `--questions 128
--batches 128 64`:

    forward floor: 346 tokens/s
    ours, batch 128: 7093 tokens, 34.2 s, 207 tokens/s, 96 % inside forwards
    generate, batch 128: 7062 tokens, 68.1 s, 104 tokens/s
    ours, batch 64: 7093 tokens, 41.5 s, 171 tokens/s, 96 % inside forwards
    generate, batch 64: 7163 tokens, 69.2 s, 103 tokens/s
    best to best: 2.00 times

On 2 cores with avx512_bf16 (bfloat16), 2026-11-24, beside other jobs: 385 tokens/s at batch 128, 88 % inside forwards, `generate` 61.
"""

import argparse
import time

import torch

from sparring.domains.language import engine
from sparring.domains.language.benign import plain_questions
from sparring.domains.language.conversation import Conversation
from sparring.domains.language.smollm2 import smollm2
from sparring.domains.language.target import Sampling


def questions(count):
    """Plain questions; each is asked as often as it takes, and a further sample is another draw."""
    plain = plain_questions()
    return [Conversation.of(plain[k % len(plain)]).draw(k // len(plain)) for k in range(count)]


def plain_generate(bot, asked, batch):
    """Seconds and tokens of `generate`, prompts of a batch padded on the left."""
    bot.tokenizer.padding_side = "left"
    prompts = sorted((bot.prompt_of(one) for one in asked), key=lambda text: len(bot.tokenizer.encode(text)))
    tokens, begin = 0, time.perf_counter()
    for start in range(0, len(prompts), batch):
        packed = bot.tokenizer(
            prompts[start : start + batch], return_tensors="pt", padding=True, add_special_tokens=False
        )
        sampling = {"do_sample": True, "top_p": bot.sampling.top_p, "top_k": 0, "temperature": 1.0}
        with torch.no_grad():
            out = bot.model.generate(**packed, max_new_tokens=bot.sampling.tokens, **sampling)
        for row in out[:, packed["input_ids"].shape[1] :].tolist():
            ends = [k for k, token in enumerate(row) if token in bot._ends]
            tokens += ends[0] if ends else len(row)
    return time.perf_counter() - begin, tokens


def ours(bot, asked, seats):
    """Seconds, tokens, and the share of the seconds inside the model's forwards."""
    bot.seats, inside, tokens = seats, [0.0], [0]
    make, write = engine.network, engine.written

    def timed(model):
        through = make(model)
        last = through.last

        def measured(*arguments):
            begin = time.perf_counter()
            logits = last(*arguments)
            inside[0] += time.perf_counter() - begin
            return logits

        through.last = measured
        return through

    def counted(*arguments, **settings):
        for place, text in write(*arguments, **settings):
            tokens[0] += len(text)
            yield place, text

    engine.network, engine.written = timed, counted
    begin = time.perf_counter()
    bot.reply(asked)
    seconds = time.perf_counter() - begin
    engine.network, engine.written = make, write
    return seconds, tokens[0], inside[0] / seconds


def floor(bot, rows=64, width=64):
    """Tokens per second of a plain forward over whole texts, with scores for every token."""
    tokens = torch.randint(100, 40000, (rows, width), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        begin = time.perf_counter()
        bot.model(input_ids=tokens, use_cache=False)
    return rows * width / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 64, 32])
    arguments = parser.parse_args()
    torch.manual_seed(0)
    bot = smollm2(sampling=Sampling(tokens=56, top_p=0.8))
    asked = questions(arguments.questions)
    bot.reply(asked[:8])
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {len(asked)} questions", flush=True)
    print(f"forward floor: {floor(bot):.0f} tokens/s", flush=True)
    best = {"generate": 0.0, "ours": 0.0}
    for batch in arguments.batches:
        seconds, tokens, share = ours(bot, asked, batch)
        best["ours"] = max(best["ours"], tokens / seconds)
        print(
            f"ours, batch {batch}: {tokens} tokens, {seconds:.1f} s, {tokens / seconds:.0f} tokens/s, "
            f"{100 * share:.0f} % inside forwards",
            flush=True,
        )
        seconds, tokens = plain_generate(bot, asked, batch)
        best["generate"] = max(best["generate"], tokens / seconds)
        print(f"generate, batch {batch}: {tokens} tokens, {seconds:.1f} s, {tokens / seconds:.0f} tokens/s", flush=True)
    print(f"best to best: {best['ours'] / best['generate']:.2f} times", flush=True)


if __name__ == "__main__":
    main()
