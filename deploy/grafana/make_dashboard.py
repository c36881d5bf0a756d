"""Writes dashboards/derin.json, the dashboard that Grafana is given: deploy/grafana/make_dashboard.py [FILE]"""

import dataclasses
import json
import pathlib
import sys

DATA_SOURCE = {"type": "prometheus", "uid": "derin"}
RUNBOOK = "/public/derin/runbook.txt"  # where deploy/compose.yaml has Grafana serve deploy/RUNBOOK.md
WIDTH = 24  # of Grafana's grid
# Of every query: the instances that are chosen.
INSTANCE = 'instance=~"$instance"'
MODEL = f'{INSTANCE}, model=~"$model"'
JOB = f'{INSTANCE}, training_job=~"$training_job"'


@dataclasses.dataclass(frozen=True)
class Query:
    expression: str
    legend: str = ""
    format: str = "time_series"


@dataclasses.dataclass(frozen=True)
class Panel:
    title: str
    what_is_good: str  # what it shows and what is good: the panel's description
    unit: str  # Grafana's name of it
    queries: tuple
    width: int = 8
    height: int = 8
    kind: str = "timeseries"
    logarithmic: bool = False
    stacked: bool = False
    least: float | None = 0
    most: float | None = None

    def document(self, number, x, y):
        defaults = {"unit": self.unit, "custom": {}}
        if self.least is not None:
            defaults["min"] = self.least
        if self.most is not None:
            defaults["max"] = self.most
        options = {}
        if self.kind == "timeseries":
            defaults["custom"] = {"lineWidth": 2, "fillOpacity": 30 if self.stacked else 8, "showPoints": "never",
                                  "spanNulls": False}
            if self.stacked:
                defaults["custom"]["stacking"] = {"mode": "normal", "group": "A"}
            if self.logarithmic:
                defaults["custom"]["scaleDistribution"] = {"type": "log", "log": 2}
                defaults.pop("min", None)
            options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
        elif self.kind == "stat":
            options = {"graphMode": "area", "colorMode": "value", "reduceOptions": {"calcs": ["lastNotNull"]}}
        elif self.kind == "bargauge":
            options = {"displayMode": "gradient", "orientation": "horizontal", "reduceOptions": {"calcs": ["lastNotNull"]}}
        elif self.kind == "heatmap":
            options = {"calculate": False, "yAxis": {"unit": self.unit}, "color": {"scheme": "Oranges", "mode": "scheme"},
                       "cellGap": 1}
        elif self.kind == "table":
            options = {"showHeader": True}
        targets = [{"refId": chr(ord("A") + i), "datasource": DATA_SOURCE, "expr": query.expression,
                    "legendFormat": query.legend, "format": query.format, "instant": self.kind in ("table", "bargauge")}
                   for i, query in enumerate(self.queries)]
        return {"id": number, "type": self.kind, "title": self.title, "description": self.what_is_good,
                "datasource": DATA_SOURCE, "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
                "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options, "targets": targets}


def rate(metric, labels=INSTANCE, by=""):
    return f"sum {by}(rate({metric}{{{labels}}}[$__rate_interval]))".replace("sum (", "sum(")


def quantiles(metric):
    """The histogram's percentiles, each with its name."""
    return tuple(Query(f"histogram_quantile({quantile}, sum by (le) (rate({metric}_bucket{{{INSTANCE}}}[$__rate_interval])))",
                       name) for quantile, name in ((0.5, "median"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")))


def heat(metric):
    return (Query(f"sum by (le) (increase({metric}_bucket{{{INSTANCE}}}[$__rate_interval]))", "{{le}}", "heatmap"),)


ROWS = (
    ("Tokens", (
        Panel("Trained now", "Target tokens that all training jobs learn from each second.", "short",
              (Query(rate("derin_training_tokens_total", MODEL)),), width=4, height=4, kind="stat"),
        Panel("Generated now", "Tokens drawn each second, over all streams.", "short",
              (Query(rate("derin_generated_tokens_total", MODEL)),), width=4, height=4, kind="stat"),
        Panel("Streams now", "Generate calls past their first step.", "short",
              (Query(f"sum(derin_generation_active{{{INSTANCE}}})"),), width=4, height=4, kind="stat"),
        Panel("Jobs that run", "Training jobs under way.", "short",
              (Query(f'sum(derin_training_jobs{{{INSTANCE}, state="running"}})'),), width=4, height=4, kind="stat"),
        Panel("Up since", "When the server started. It should not change by itself.", "dateTimeFromNow",
              (Query(f'1000 * max(process_start_time_seconds{{{INSTANCE}, job="derin"}})'),), width=4, height=4, kind="stat",
              least=None),
        Panel("What computes", "The device and the engine, whose id is the promise of equal bits.", "short",
              (Query(f"derin_device_info{{{INSTANCE}}}", format="table"),), width=4, height=4, kind="table"),
        Panel("Tokens a second",
              "All that the device does, in tokens. Generation goes first; training takes what is left, and never less than its floor.",
              "short",
              (Query(rate("derin_training_tokens_total", MODEL), "trained"),
               Query(rate("derin_prompt_tokens_total", MODEL), "prompt"),
               Query(rate("derin_generated_tokens_total", MODEL), "generated")), width=24, height=9),
    )),
    ("Training", (
        Panel("Perplexity", "Of each job, on the epoch under way and on held-out text. It should fall; a held-out curve that turns up has learnt the text by heart.",
              "short", (Query(f"derin_training_perplexity{{{JOB}}}", "{{training_job}} {{split}}"),), width=12, height=9,
              logarithmic=True),
        Panel("Tokens a second of each job", "Steady as long as nobody generates.", "short",
              (Query(f"derin_training_tokens_per_second{{{JOB}}}", "{{training_job}}"),), width=12, height=9),
        Panel("Done", "Share of each job that is done.", "percentunit",
              (Query(f"derin_training_progress_ratio{{{JOB}}}", "{{training_job}}"),), kind="bargauge", most=1),
        Panel("Norm of the gradient", "Before clipping. One that grows by orders of magnitude announces a divergence.", "short",
              (Query(f"derin_training_gradient_norm{{{JOB}}}", "{{training_job}}"),), logarithmic=True),
        Panel("Time of a minibatch", "Of training, with the time that generation took in between.", "s",
              quantiles("derin_training_step_seconds")),
        Panel("Jobs", "By state. Jobs that only wait want another server or a smaller queue.", "short",
              (Query(f"sum by (state) (derin_training_jobs{{{INSTANCE}}})", "{{state}}"),), width=24, height=6, stacked=True),
    )),
    ("Generation", (
        Panel("Time to the first token", "From a request's arrival. The objective: 99 of 100 within 100 ms.", "s",
              quantiles("derin_time_to_first_token_seconds"), logarithmic=True),
        Panel("Time between tokens", "Of one stream. A reader follows at 100 ms; a step takes a millisecond or less.", "s",
              quantiles("derin_inter_token_seconds"), logarithmic=True),
        Panel("Time in the queue", "Until a request's first step. Near zero unless the device is full.", "s",
              quantiles("derin_generation_queue_seconds"), logarithmic=True),
        Panel("First tokens", "How many took how long.", "s", heat("derin_time_to_first_token_seconds"), width=12, kind="heatmap"),
        Panel("Gaps between tokens", "How many took how long.", "s", heat("derin_inter_token_seconds"), width=12, kind="heatmap"),
        Panel("Streams", "Active ones share each step; waiting ones have had none yet and should be few.", "short",
              (Query(f"sum(derin_generation_active{{{INSTANCE}}})", "active"),
               Query(f"sum(derin_generation_waiting{{{INSTANCE}}})", "waiting")), width=6),
        Panel("Sequences in a step", "The larger, the more tokens a second for the same work.", "short",
              (Query(f"{rate('derin_generation_batch_size_sum')} / {rate('derin_generation_batch_size_count')}", "mean"),
               Query(f"histogram_quantile(0.99, sum by (le) (rate(derin_generation_batch_size_bucket{{{INSTANCE}}}[$__rate_interval])))",
                     "p99")), width=6),
        Panel("Time of a step", "Of all sequences together.", "s", quantiles("derin_generation_step_seconds"), width=6,
              logarithmic=True),
        Panel("Ends of streams", "Why Generate calls end. Errors have their code's name.", "reqps",
              (Query(rate("derin_generation_requests_total", MODEL, "by (finish_reason) "), "{{finish_reason}}"),), width=6,
              stacked=True),
    )),
    ("Sessions", (
        Panel("Open sessions", "By where their state is.", "short",
              (Query(f"sum by (tier) (derin_sessions{{{INSTANCE}}})", "{{tier}}"),), stacked=True),
        Panel("Bytes of their states", "By where they are; what is nearer to the device is on disk, too.", "bytes",
              (Query(f"sum by (tier) (derin_session_state_bytes{{{INSTANCE}}})", "{{tier}}"),), stacked=True),
        Panel("Sessions that leave their place", "To memory, to disk, or for good when nobody used them.", "ops",
              (Query(rate("derin_session_evictions_total", by="by (reason) "), "{{reason}}"),)),
        Panel("Sessions that come back to the device", "When a call comes. Any that fail are damaged.", "ops",
              (Query(rate("derin_session_restores_total", by="by (tier, result) "), "{{tier}} {{result}}"),)),
    )),
    ("Device", (
        Panel("Busy share by work",
              "Share of the time in which steps of each work were under way, with what they waited for the other: near 1 is a device in full use.",
              "percentunit", (Query(rate("derin_device_busy_seconds_total", by="by (instance, work) "), "{{instance}} {{work}}"),),
              width=12),
        Panel("Memory of the device", "Free: a job that does not fit is refused. Of a GPU also what all processes use of it.", "bytes",
              (Query(f"sum by (instance, kind) (derin_device_memory_bytes{{{INSTANCE}}})", "{{instance}} {{kind}}"),
               Query(f"derin_device_used_memory_bytes{{{INSTANCE}}}", "{{instance}} used")), width=12),
        Panel("GPU at work", "Share of the last second in which a kernel ran, of any process. No data without a GPU.", "percentunit",
              (Query(f"derin_device_utilization_ratio{{{INSTANCE}}}", "{{instance}}"),), most=1),
        Panel("Temperature of the GPU", "Below what its maker allows, mostly 85 to 90; above, it slows down. No data without a GPU.", "celsius",
              (Query(f"derin_device_temperature_celsius{{{INSTANCE}}}", "{{instance}}"),)),
        Panel("Power of the GPU", "Near its limit it computes as fast as it can. No data without a GPU.", "watt",
              (Query(f"derin_device_power_watts{{{INSTANCE}}}", "{{instance}}"),)),
    )),
    ("Callers", (
        Panel("Tokens of each caller", "What each had computed a second; a caller at its max_tokens_per_minute is a flat line.", "short",
              (Query(rate("derin_usage_tokens_total", by="by (caller, kind) "), "{{caller}} {{kind}}"),), width=12, stacked=True),
        Panel("Calls and trainings of each caller", "How many of each were under way on average.", "short",
              (Query(rate("derin_usage_seconds_total", by="by (caller, kind) "), "{{caller}} {{kind}}"),), width=12, stacked=True),
    )),
    ("Server", (
        Panel("Calls", "By method.", "reqps",
              (Query(rate("derin_grpc_requests_total", by="by (method) "), "{{method}}"),), stacked=True),
        Panel("Calls that failed", "By code and reason. RESOURCE_EXHAUSTED is a limit; INTERNAL is a defect.", "reqps",
              (Query(rate("derin_grpc_errors_total", by="by (code, reason) "), "{{code}} {{reason}}"),), stacked=True),
        Panel("Time of a call", "What 99 of 100 take less than, by method. Streams last as long as they do.", "s",
              (Query(f"histogram_quantile(0.99, sum by (le, method) (rate(derin_grpc_request_seconds_bucket{{{INSTANCE}}}[$__rate_interval])))",
                     "{{method}}"),), logarithmic=True),
        Panel("Calls under way", "By method.", "short",
              (Query(f"sum by (method) (derin_grpc_in_flight{{{INSTANCE}}})", "{{method}}"),), stacked=True),
        Panel("Processor", "Cores in use by the server.", "short",
              (Query(f'rate(process_cpu_seconds_total{{{INSTANCE}, job="derin"}}[$__rate_interval])', "{{instance}}"),)),
        Panel("Disk of the data", "Free: below a tenth of all, a disk that fills up is near.", "bytes",
              (Query(f"derin_data_disk_bytes{{{INSTANCE}}}", "{{instance}} {{kind}}"),)),
        Panel("Resident memory", "Flat once corpora and models are loaded.", "bytes",
              (Query(f'process_resident_memory_bytes{{{INSTANCE}, job="derin"}}', "{{instance}}"),)),
        Panel("Open files", "Connections among them.", "short",
              (Query(f'process_open_fds{{{INSTANCE}, job="derin"}}', "{{instance}}"),)),
    )),
)


def variable(name, metric, label):
    return {"name": name, "label": label, "type": "query", "datasource": DATA_SOURCE, "multi": True, "includeAll": True,
            "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "refresh": 2, "sort": 1,
            "query": {"query": f"label_values({metric}, {name})", "refId": name}}


def annotation(name, colour, expression, title):
    return {"name": name, "enable": True, "iconColor": colour, "datasource": DATA_SOURCE, "expr": expression, "step": "30s",
            "titleFormat": title}


# A job's series comes when it starts; it says 1 from its end on.
ANNOTATIONS = (
    annotation("Jobs that start", "blue", f"derin_training_progress_ratio{{{JOB}}} unless derin_training_progress_ratio{{{JOB}}} offset 1m",
               "{{training_job}} starts"),
    annotation("Jobs that are done", "green",
               f"derin_training_progress_ratio{{{JOB}}} == 1 unless (derin_training_progress_ratio{{{JOB}}} offset 1m == 1)",
               "{{training_job}} is done"),
)


def dashboard():
    panels, y, number = [], 0, 1
    for title, row in ROWS:
        panels.append({"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        number, y, x, height = number + 1, y + 1, 0, 0
        for panel in row:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            panels.append(panel.document(number, x, y))
            number, x, height = number + 1, x + panel.width, max(height, panel.height)
        y += height
    return {"uid": "derin", "title": "Derin", "tags": ["derin"], "timezone": "browser", "schemaVersion": 37, "version": 1,
            "editable": True, "refresh": "5s", "time": {"from": "now-30m", "to": "now"}, "graphTooltip": 1,
            "links": [{"title": "Runbook", "type": "link", "url": RUNBOOK, "icon": "doc", "targetBlank": True}],
            "templating": {"list": [variable("instance", "derin_build_info", "Instance"),
                                    variable("model", '{__name__=~"derin_(training|generated|prompt)_tokens_total"}', "Model"),
                                    variable("training_job", "derin_training_progress_ratio", "Job")]},
            "annotations": {"list": list(ANNOTATIONS)}, "panels": panels}


def expressions(document):
    """(where, expression) of everything in a dashboard that asks Prometheus."""
    found = [(f"annotation {one['name']}", one["expr"]) for one in document["annotations"]["list"]]
    for panel in document["panels"]:
        found += [(f"panel {panel['title']}", target["expr"]) for target in panel.get("targets", [])]
    return found


def main():
    own = pathlib.Path(__file__).resolve().parent / "dashboards/derin.json"
    to = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else own
    to.write_text(json.dumps(dashboard(), indent=1) + "\n")


if __name__ == "__main__":
    main()
