/* export_grafana.c - the dashboard of dashboard.def in Grafana's classic model, schema version 39.
 *
 * Two variants: one for provisioning from files, whose variable `datasource` chooses the
 * source, and one for grafana.com, which asks for it at the import (__inputs). */
#include "cli/artefacts.h"

#include "spec/charts.h"
#include "spec/dashboard.h"

#include <jansson.h>

static json_t *datasource(const struct artefact_options *o)
{
	return json_pack("{ssss}", "type", "prometheus", "uid", o->grafana_com ? "${DS_PROMETHEUS}" : "${datasource}");
}

/* --- thresholds: the limits of charts.def --------------------------------------------- */

static void add_step(json_t *steps, const char *color, double from, bool first)
{
	json_array_append_new(steps,
			      json_pack("{ssso}", "color", color, "value", first ? json_null() : json_real(from)));
}

/* From below: bad until the lower limit, good until the upper one, then worse and worse. */
static json_t *thresholds(const struct dashboard_item *panel)
{
	json_t *steps = json_array();
	bool first = true, over = false;

	for (size_t i = 0; i < limit_spec_count; i++)
		if (limit_specs[i].metric == panel->metric && limit_specs[i].side == LIMIT_UNDER && first) {
			add_step(steps, "red", 0, true);
			add_step(steps, "green", limit_of(limit_specs[i].threshold) * panel->scale, false);
			first = false;
		}
	if (first)
		add_step(steps, "green", 0, true);
	for (size_t i = 0; i < limit_spec_count; i++)
		if (limit_specs[i].metric == panel->metric && limit_specs[i].side == LIMIT_OVER) {
			add_step(steps, over ? "red" : "orange", limit_of(limit_specs[i].threshold) * panel->scale,
				 false);
			over = true;
		}
	return json_pack("{ssso}", "mode", "absolute", "steps", steps);
}

/* --- panels --------------------------------------------------------------------------- */

static const char *const type_names[] = {
	[DASH_ROW] = "row",
	[DASH_STAT] = "stat",
	[DASH_SERIES] = "timeseries",
	[DASH_HEATMAP] = "heatmap",
	[DASH_GRID] = "heatmap", /* a row for each series */
	[DASH_TIMELINE] = "state-timeline",
	[DASH_TABLE] = "table",
};

static json_t *series_style(const struct dashboard_item *panel)
{
	return json_pack("{s:i,s:i,s:s,s:b,s:{s:s}}", "lineWidth", 1, "fillOpacity", 8, "showPoints", "never",
			 "spanNulls", 0, "thresholdsStyle", "mode", panel->metric == METRIC_COUNT ? "off" : "dashed");
}

/* Alarms are 0 or 1: off and on, by name and colour. */
static json_t *on_off(enum lang lang)
{
	static const char *const words[LANG_COUNT][2] = { { "off", "on" }, { "正常", "触发" } };

	return json_pack("[{s:s,s:{s:{s:s,s:s,s:i},s:{s:s,s:s,s:i}}}]", "type", "value", "options", "0", "text",
			 words[lang][0], "color", "green", "index", 0, "1", "text", words[lang][1], "color", "red",
			 "index", 1);
}

static json_t *field_config(const struct dashboard_item *panel, const struct artefact_options *o)
{
	json_t *defaults =
		json_pack("{s:s,s:s,s:o}", "unit", panel->unit, "noValue", "–", "thresholds", thresholds(panel));

	if (panel->kind == DASH_SERIES)
		json_object_set_new(defaults, "custom", series_style(panel));
	if (panel->kind == DASH_TIMELINE)
		json_object_set_new(defaults, "mappings", on_off(o->lang));
	return json_pack("{s:o,s:[]}", "defaults", defaults, "overrides");
}

static json_t *panel_options(enum dashboard_item_kind kind)
{
	switch (kind) {
	case DASH_STAT:
		return json_pack("{s:{s:[s],s:s,s:b},s:s,s:s,s:s,s:s}", "reduceOptions", "calcs", "lastNotNull",
				 "fields", "", "values", 0, "colorMode", "value", "graphMode", "area", "textMode",
				 "auto", "orientation", "auto");
	case DASH_SERIES:
		return json_pack("{s:{s:s,s:s,s:b,s:[]},s:{s:s,s:s}}", "legend", "displayMode", "list", "placement",
				 "bottom", "showLegend", 1, "calcs", "tooltip", "mode", "multi", "sort", "desc");
	case DASH_HEATMAP:
		return json_pack("{s:b,s:{s:s,s:s,s:i},s:{s:s,s:s}}", "calculate", 0, "color", "mode", "scheme",
				 "scheme", "Oranges", "steps", 64, "yAxis", "unit", "s", "axisPlacement", "left");
	case DASH_GRID:
		return json_pack("{s:b,s:{s:s,s:s,s:i},s:{s:s}}", "calculate", 0, "color", "mode", "scheme", "scheme",
				 "Oranges", "steps", 64, "yAxis", "axisPlacement", "left");
	case DASH_TIMELINE:
		return json_pack("{s:s,s:b,s:f}", "showValue", "never", "mergeValues", 1, "rowHeight", 0.8);
	default:
		return json_pack("{s:b}", "showHeader", 1);
	}
}

static json_t *grid(const struct dashboard_item *panel, int x, int y)
{
	return json_pack("{s:i,s:i,s:i,s:i}", "h", panel->kind == DASH_ROW ? 1 : panel->height, "w",
			 panel->kind == DASH_ROW ? 24 : panel->width, "x", x, "y", y);
}

static json_t *new_row(const struct dashboard_item *row, int id, int y, enum lang lang)
{
	return json_pack("{s:i,s:s,s:s,s:b,s:o,s:[]}", "id", id, "type", "row", "title", row->title[lang], "collapsed",
			 0, "gridPos", grid(row, 0, y), "panels");
}

static json_t *new_panel(const struct dashboard_item *p, int id, int x, int y, const struct artefact_options *o)
{
	return json_pack("{s:i,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:[]}", "id", id, "type", type_names[p->kind], "title",
			 p->title[o->lang], "description", p->say[o->lang], "datasource", datasource(o), "gridPos",
			 grid(p, x, y), "fieldConfig", field_config(p, o), "options", panel_options(p->kind),
			 "targets");
}

static json_t *new_target(const struct dashboard_item *t, const struct dashboard_item *panel, size_t index,
			  const struct artefact_options *o)
{
	const char ref[2] = { (char)('A' + index), 0 };
	bool now = panel->kind == DASH_TABLE;
	const char *format = panel->kind == DASH_HEATMAP ? "heatmap" : now ? "table" : "time_series";

	return json_pack("{s:s,s:o,s:s,s:s,s:s,s:b,s:b}", "refId", ref, "datasource", datasource(o), "expr",
			 t->expression, "legendFormat", *t->legend ? t->legend : "__auto", "format", format, "range",
			 !now, "instant", now);
}

/* Left to right while there is room, then below the tallest of the line. */
static json_t *panels(const struct artefact_options *o)
{
	json_t *all = json_array(), *targets = NULL;
	const struct dashboard_item *panel = NULL;
	int x = 0, y = 0, tallest = 0;

	for (size_t i = 0; i < dashboard_item_count; i++) {
		const struct dashboard_item *item = &dashboard_items[i];
		int id = (int)json_array_size(all) + 1, width = item->kind == DASH_ROW ? 24 : item->width;

		if (item->kind == DASH_TARGET) {
			json_array_append_new(targets, new_target(item, panel, json_array_size(targets), o));
			continue;
		}
		if (x + width > 24) {
			x = 0;
			y += tallest;
			tallest = 0;
		}
		json_array_append_new(all, item->kind == DASH_ROW ? new_row(item, id, y, o->lang)
								  : new_panel(item, id, x, y, o));
		targets = json_object_get(json_array_get(all, (size_t)id - 1), "targets");
		panel = item;
		x += width;
		tallest = item->kind == DASH_ROW ? 1 : item->height > tallest ? item->height : tallest;
	}
	return all;
}

/* --- variables ------------------------------------------------------------------------ */

static json_t *query_variable(const char *name, const char *label, const char *query, const struct artefact_options *o)
{
	return json_pack("{s:s,s:s,s:s,s:o,s:{s:s,s:s},s:i,s:i,s:b,s:b,s:{s:[s],s:[s]},s:i}", "type", "query", "name",
			 name, "label", label, "datasource", datasource(o), "query", "query", query, "refId",
			 "StandardVariableQuery", "refresh", 2, "sort", 1, "multi", 1, "includeAll", 1, "current",
			 "text", "All", "value", "$__all", "hide", 0);
}

static json_t *variables(const struct artefact_options *o)
{
	static const char *const words[LANG_COUNT][3] = { { "Data source", "Instance", "Model" },
							  { "数据源", "实例", "模型" } };
	json_t *list = json_array();

	if (!o->grafana_com)
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:{},s:i,s:i}", "type", "datasource", "name",
						      "datasource", "label", words[o->lang][0], "query", "prometheus",
						      "current", "hide", 0, "refresh", 1));
	json_array_append_new(
		list, query_variable("instance", words[o->lang][1], "label_values(rwkv_tokens_total, instance)", o));
	json_array_append_new(list,
			      query_variable("model", words[o->lang][2],
					     "label_values(rwkv_tokens_total{instance=~\"$instance\"}, model)", o));
	return json_pack("{s:o}", "list", list);
}

static void add_inputs(json_t *dashboard)
{
	json_object_set_new(dashboard, "__inputs",
			    json_pack("[{s:s,s:s,s:s,s:s,s:s}]", "name", "DS_PROMETHEUS", "label", "Prometheus", "type",
				      "datasource", "pluginId", "prometheus", "pluginName", "Prometheus"));
	json_object_set_new(dashboard, "__requires",
			    json_pack("[{s:s,s:s,s:s,s:s},{s:s,s:s,s:s,s:s}]", "type", "grafana", "id", "grafana",
				      "name", "Grafana", "version", "11.0.0", "type", "datasource", "id", "prometheus",
				      "name", "Prometheus", "version", "1.0.0"));
}

void artefact_grafana(struct buf *out, const struct artefact_options *o)
{
	static const char *const titles[LANG_COUNT] = { "RWKV performance monitor", "RWKV性能监控" };
	json_t *d = json_pack("{s:n,s:s,s:s,s:[s,s],s:i,s:s,s:{s:s,s:s},s:s,s:b,s:i,s:o,s:{s:[]},s:o,s:[]}", "id",
			      "uid", "rwkv-monitor", "title", titles[o->lang], "tags", "rwkv", "llm", "schemaVersion",
			      39, "refresh", "5s", "time", "from", "now-6h", "to", "now", "timezone", "browser",
			      "editable", 1, "graphTooltip", 1, "templating", variables(o), "annotations", "list",
			      "panels", panels(o), "links");
	char *text;

	if (d && o->grafana_com)
		add_inputs(d);
	text = d ? json_dumps(d, JSON_INDENT(2)) : NULL;
	if (text)
		buf_str(out, text);
	else
		out->failed = true;
	buf_char(out, '\n');
	free(text);
	json_decref(d);
}
