"""Holds the exported dashboards against Grafana's published TypeScript types: @grafana/schema's Dashboard, and
the options of every panel type that is used. Excess and misspelt members are errors.
    check.py RWKVMON"""
import json, os, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
RAW = "./node_modules/@grafana/schema/dist/esm/raw"
OPTIONS = {"stat": "stat/panelcfg/x/StatPanelCfg_types.gen", "timeseries": "timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen",
           "heatmap": "heatmap/panelcfg/x/HeatmapPanelCfg_types.gen",
           "state-timeline": "statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen", "table": "table/panelcfg/x/TablePanelCfg_types.gen"}

# An enum's values are written as plain text in JSON; parts of an option object may be left out.
HEAD = f"""import type {{ Dashboard }} from '{RAW}/dashboard/x/dashboard_types.gen';
import type {{ GraphFieldConfig }} from './node_modules/@grafana/schema/dist/esm/common/common.gen';
type Plain<T> = T extends string ? `${{T}}` : T extends number | boolean | null | undefined ? T
    : T extends (infer E)[] ? Plain<E>[] : T extends object ? {{ [K in keyof T]: Plain<T[K]> }} : T;
type Part<T> = T extends (infer E)[] ? E[] : T extends object ? {{ [K in keyof T]?: Part<T[K]> }} : T;
"""


def typescript(dashboard):
    lines = [HEAD]
    for kind, path in OPTIONS.items():
        lines.append(f"import type {{ Options as {kind.replace('-', '_')} }} from '{RAW}/composable/{path}';")
    lines.append(f"export const dashboard: Plain<Dashboard> = {json.dumps(dashboard)};")
    for p in dashboard["panels"]:
        if p["type"] == "row":
            continue
        name = p["type"].replace("-", "_")
        lines.append(f"export const options_{p['id']}: Part<Plain<{name}>> = {json.dumps(p['options'])};")
        if custom := p["fieldConfig"]["defaults"].get("custom"):
            lines.append(f"export const custom_{p['id']}: Plain<GraphFieldConfig> = {json.dumps(custom)};")
    return "\n".join(lines) + "\n"


def errors_of(dashboard):
    name = os.path.join(HERE, f"dashboard-{os.getpid()}.ts")
    with open(name, "w") as f:
        f.write(typescript(dashboard))
    try:
        said = subprocess.run([HERE + "/node_modules/.bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
                               "--moduleResolution", "bundler", "--module", "esnext", name], capture_output=True, text=True, cwd=HERE)
        return said.stdout + said.stderr if said.returncode else ""
    finally:
        os.unlink(name)


failed = False
for variant in (["--lang", "en"], ["--lang", "zh"]):
    dashboard = json.loads(subprocess.run([sys.argv[1], "export", "grafana", *variant], check=True, capture_output=True, text=True).stdout)
    # Provisioning wants no source chosen; the types know no such variable.
    assert dashboard["templating"]["list"][0].pop("current") == {}
    if errors := errors_of(dashboard):
        print(errors)
        failed = True
dashboard["panels"][1]["fieldConfig"]["defaults"]["threshold"] = {}  # the check can fail
if not errors_of(dashboard):
    print("a misspelt member was not noticed")
    failed = True
sys.exit(failed)
