#!/usr/bin/env python3
"""capture.py DSN PROGRAM... runs each program against the database and writes
the statements that it sends, as the server logs them, to ../testdata/orm.

The server must run with logging_collector=on, log_destination=jsonlog,
log_statement=all and log_parameter_max_length=-1; see README.md.
"""
import glob, json, os, re, subprocess, sys, time
import psycopg

SCHEMA = open(os.path.join(os.path.dirname(__file__), "schema.sql")).read()
EXECUTE = re.compile(r"^execute ([^:]*): ", re.S)


def logged(directory):
    lines = []
    for name in sorted(glob.glob(os.path.join(directory, "*.json"))):
        lines += open(name, encoding="utf8").read().splitlines()
    return [json.loads(line) for line in lines]


def parameters(detail):
    """What `parameters: $1 = 'a', $2 = NULL` gives, as a list of str or None."""
    values = []
    for value in re.findall(r"\$\d+ = (NULL|'(?:[^']|'')*')", (detail or "").partition(": ")[2]):
        values.append(None if value == "NULL" else value[1:-1].replace("''", "'"))
    return values


def how(program, dsn):
    """The file whose first line says what it is, and the commands that run it."""
    run = {".py": sys.executable, ".js": "node", ".rb": "ruby"}
    if os.path.isfile(program):
        return program, [[run[os.path.splitext(program)[1]], program, dsn]]
    for source, commands in {
        "main.go": [["go", "generate", "./..."], ["go", "run", ".", dsn]],
        "main.js": [["npm", "install"], ["npm", "run", "generate"], ["node", "main.js", dsn]],
        "src/main/java/Main.java": [["mvn", "-q", "-B", "compile", "exec:java", "-Dexec.args=" + dsn]],
    }.items():
        if os.path.exists(os.path.join(program, source)):
            return os.path.join(program, source), commands
    sys.exit(f"{program}: how does one run it?")


def main():
    dsn, programs = sys.argv[1], sys.argv[2:]
    server = psycopg.connect(dsn, autocommit=True)
    directory = os.path.join(server.execute("SHOW data_directory").fetchone()[0], server.execute("SHOW log_directory").fetchone()[0])
    for program in programs:
        server.execute(SCHEMA)
        before = len(logged(directory))
        source, commands = how(program, dsn)
        for command in commands:
            subprocess.run(command, cwd=program if os.path.isdir(program) else None, check=True)
        time.sleep(0.3)
        out, own = [], server.info.backend_pid
        for line in logged(directory)[before:]:
            message = line.get("message", "")
            if line.get("pid") == own or line.get("error_severity") != "LOG":
                continue
            if re.search(r"pg_type|pg_class|pg_catalog|version|current_(database|catalog)", message):
                continue  # about the server itself
            if message.startswith("statement: "):
                out.append({"sql": message[len("statement: "):]})
            elif EXECUTE.match(message):
                out.append({"sql": EXECUTE.sub("", message), "args": parameters(line.get("detail"))})
        name = os.path.splitext(os.path.basename(program))[0].replace("_orm", "")
        head = open(source).readline().lstrip("#/ ").partition(":")[0]
        with open(os.path.join(os.path.dirname(__file__), "..", "testdata", "orm", name + ".jsonl"), "w", encoding="utf8") as f:
            f.write(json.dumps({"source": head}, ensure_ascii=False) + "\n")
            for statement in out:
                f.write(json.dumps(statement, ensure_ascii=False) + "\n")
        print(name, len(out), "statements")


main()
