"""The dashboard is what its code makes, and says of each panel what it shows; each alert has its paragraph.

dashboard_test.py ROOT
"""

import json
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop())
sys.path.insert(0, str(ROOT / "deploy/grafana"))
import make_dashboard  # noqa: E402


class DashboardTest(unittest.TestCase):
    committed = json.loads((ROOT / "deploy/grafana/dashboards/derin.json").read_text())
    panels = [panel for panel in committed["panels"] if panel["type"] != "row"]

    def test_is_what_its_code_makes(self):
        self.assertEqual(self.committed, make_dashboard.dashboard(), "run deploy/grafana/make_dashboard.py")

    def test_each_panel_says_its_unit_and_what_is_good(self):
        for panel in self.panels:
            with self.subTest(panel["title"]):
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                self.assertRegex(panel["description"], r"^[A-Z].*\.$")
                self.assertTrue(panel["targets"])

    def test_no_two_panels_overlap_or_leave_the_grid(self):
        taken = set()
        for panel in self.committed["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertLessEqual(at["x"] + at["w"], make_dashboard.WIDTH, panel["title"])
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells

    def test_titles_and_numbers_are_there_once(self):
        for what in ("title", "id"):
            values = [panel[what] for panel in self.committed["panels"]]
            self.assertEqual(len(values), len(set(values)), values)

    def test_every_query_heeds_the_chosen_instances(self):
        for where, expression in make_dashboard.expressions(self.committed):
            for selector in re.findall(r"(?:derin|process)_\w+(\{[^}]*\})?", expression):
                self.assertIn('instance=~"$instance"', selector, where)

    def test_the_filter_of_models_lists_those_of_every_count_of_tokens(self):
        (query,) = [one["query"]["query"] for one in self.committed["templating"]["list"] if one["name"] == "model"]
        (names,) = re.findall(r'__name__=~"([^"]+)"', query)
        counted = {metric for _, expression in make_dashboard.expressions(self.committed)
                   for metric in re.findall(r'(derin_\w+_tokens_total)\{[^}]*model=~"\$model"', expression)}
        self.assertEqual(len(counted), 3)
        for metric in counted:
            self.assertRegex(metric, f"^{names}$")


class RunbookTest(unittest.TestCase):
    def test_each_alert_has_its_paragraph(self):
        alerts = (ROOT / "deploy/prometheus/alerts.yaml").read_text()
        headings = re.findall(r"^## (\w+)$", (ROOT / "deploy/RUNBOOK.md").read_text(), re.MULTILINE)
        links = set(re.findall(r"runbook: deploy/RUNBOOK\.md#(\w+)$", alerts, re.MULTILINE))
        names = re.findall(r"- alert: (\w+)$", alerts, re.MULTILINE)
        self.assertEqual(len(names), alerts.count("runbook:"))
        self.assertEqual(links, {heading.lower() for heading in headings})


if __name__ == "__main__":
    unittest.main()
