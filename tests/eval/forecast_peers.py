#!/usr/bin/env python3
"""Forecasts beside those of statsforecast and river on the same series.

    forecast_eval series 40 | forecast_peers.py

Reads a line of JSON for each series (points, those that came next, our forecast or none). Prints for each kind the mean
absolute error of the next points, scaled by the mean step of the series (MASE), and the share of those points that lie
in the intervals meant to contain 9 of 10. Where we give no forecast, "it stays as it is" is counted for the error, and
nothing for the intervals. A package that is not installed is SKIPPED.
"""
import collections
import json
import sys
import warnings

PERIOD = 20  # of the wave; the others are told the same
LEVEL = 90


def scale(y):
    return sum(abs(b - a) for a, b in zip(y, y[1:])) / (len(y) - 1)


def ours(y, steps, said):
    if not said:
        return [y[-1]] * steps, None
    return [v for v, _, _ in said], [(low, high) for _, low, high in said]


def stats_models():
    try:
        import numpy
        from statsforecast.models import AutoETS, SeasonalNaive
    except ImportError:
        print("SKIPPED: statsforecast is not installed", file=sys.stderr)
        return {}

    def run(model):
        def predict(y, steps, _said):
            out = model.forecast(y=numpy.array(y), h=steps, level=[LEVEL])
            return list(out["mean"]), list(zip(out[f"lo-{LEVEL}"], out[f"hi-{LEVEL}"]))
        return predict

    return {"AutoETS": run(AutoETS(season_length=PERIOD)),
            "seasonal naive": run(SeasonalNaive(season_length=PERIOD))}


def river_models():
    try:
        from river import time_series
    except ImportError:
        print("SKIPPED: river is not installed", file=sys.stderr)
        return {}

    def run(make):
        def predict(y, steps, _said):
            model = make()
            for v in y:
                model.learn_one(v)
            return model.forecast(horizon=steps), None
        return predict

    return {"river Holt-Winters": run(lambda: time_series.HoltWinters(alpha=0.3, beta=0.1)),
            "river SNARIMAX": run(lambda: time_series.SNARIMAX(p=2, d=1, q=2))}


def main():
    models = {"rwkvmon": ours, "last value": lambda y, n, _: ([y[-1]] * n, None), **stats_models(), **river_models()}
    error = collections.defaultdict(list)
    inside = collections.defaultdict(list)
    kinds = []
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        s = json.loads(line)
        if s["kind"] not in kinds:
            kinds.append(s["kind"])
        steps = len(s["forecast"]) or len(s["next"])
        following = s["next"][:steps]
        for name, predict in models.items():
            values, intervals = predict(s["y"], steps, s["forecast"])
            key = s["kind"], name
            error[key].append(sum(abs(v - x) for v, x in zip(values, following)) / steps / scale(s["y"]))
            if intervals:
                inside[key] += [low <= x <= high for (low, high), x in zip(intervals, following)]
    print("MASE, and the share of points in intervals meant to hold 9 of 10; n series of each kind:",
          len(error[kinds[0], "rwkvmon"]) if kinds else 0)
    print("%-20s" % "series", *("%20s" % name for name in models))
    for kind in kinds:
        cells = []
        for name in models:
            e, i = error[kind, name], inside[kind, name]
            cells.append("%20s" % ("%.2f" % (sum(e) / len(e)) + (" %5.1f %%" % (100 * sum(i) / len(i)) if i else "")))
        print("%-20s" % kind, *cells)


main()
