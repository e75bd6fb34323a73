"""The unit's command that lowers the priority of the threads that may wait: the daemon itself may not, under systemd's filter."""
import os
import pathlib
import re
import unittest

from lab import ROOT, Lab, run

UNIT = ROOT / "packaging" / "debian" / "clawpatrol.clawpatrold.service"


class Priorities(unittest.TestCase):
    def test_who_may_wait_waits(self):
        """ExecStartPost of the unit finds the analysts and the maker of certificates by their names, and nobody else"""
        line = re.search(r"^ExecStartPost=-\+/bin/sh -c '(.*)'$", UNIT.read_text(), re.MULTILINE)
        with Lab(postgres=False) as lab:
            process = lab.daemon.pid
            tasks = {int(path.name): (path / "comm").read_text().strip()
                     for path in pathlib.Path(f"/proc/{process}/task").iterdir()}
            waiting = {task for task, name in tasks.items() if name in ("cp-analyst", "cp-leaves")}
            self.assertEqual(len(waiting), 3, tasks)
            self.assertGreater(len(tasks), len(waiting))
            for task in waiting:  # as where the daemon was refused
                os.setpriority(os.PRIO_PROCESS, task, 0)
            run("/bin/sh", "-c", line[1].replace("${MAINPID}", str(process)).replace("$$", "$"))
            nice = {task: os.getpriority(os.PRIO_PROCESS, task) for task in tasks}
            self.assertEqual({task for task, value in nice.items() if value == 10}, waiting)
            self.assertEqual({value for task, value in nice.items() if task not in waiting}, {0})


if __name__ == "__main__":
    unittest.main()
