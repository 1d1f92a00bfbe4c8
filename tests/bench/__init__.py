"""The benchmark: this project beside the tutorials' own loops and the machine's limits, in one run on one machine.

    python -m tests.bench                 all rows, about forty minutes: tests/bench/results.json and results.md
    python -m tests.bench --quick         shortened, about three minutes: tests/bench/latest.json and latest.md
    python -m tests.bench --rows 1,7,10b  some rows: latest.json and latest.md as well

Every row is measured in a process of its own, so that threads, memory and random state begin clean. What is compared
with each other is measured in the same process, in turns. The numbers of rows are those of the table of goals (goals
stand beside the figures, in the code of each row). Texts: CHARLM_CORPORA or ../shared/corpora; the built-in comedy
where they are not, and then the rows say so. No test asserts a timing; those of this package look at its arithmetic.

    row         Figure, Row, Scale: plain data               1
    texts       which text a row reads                       1
    tutorials   the tutorials' loops, written anew           1
    machine     what this computer is, its GEMM peak, turns  1
    quality     rows 1 to 6, gpu: losses after a time        2
    speed       rows 7, 9, 11: work in a second              2
    generation  row 8: characters written in a second        2
    page        a page and its board in a process            2
    at_once     some jobs on one board in a process          2
    sharing     rows 10, 10b: training beside others         3
    growth      the row "also": long texts, long runs        2
    report      rows -> JSON, Markdown, the README's table   2
"""
