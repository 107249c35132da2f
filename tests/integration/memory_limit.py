"""The log of a process that the kernel ended: was a forecast in it in time?
    memory_limit.py LOG"""
import datetime, json, sys

LEAST_SECONDS = 10  # to act in


def records(log):
    for line in open(log):
        try:
            yield json.loads(line)
        except ValueError:
            return  # the process ended within this line


def time(record):
    return datetime.datetime.fromisoformat(record["timestamp"].replace("Z", "+00:00"))


log = list(records(sys.argv[1]))
told = [r for r in log if r["event_type"] == "alarm" and r["alarm_type"] == "forecast"]
if not told:
    sys.exit(f"FAILED: no forecast in {len(log)} records over {time(log[-1]) - time(log[0])}")
if told[0]["severity"] != "warning":
    sys.exit(f"FAILED: a forecast is a warning, not {told[0]['severity']}")
lead = (time(log[-1]) - time(told[0])).total_seconds()
print(f"foreseen {lead:.0f} s before the end, {(time(told[0]) - time(log[0])).total_seconds():.0f} s after the beginning")
if lead < LEAST_SECONDS:
    sys.exit("FAILED: too late to act")
