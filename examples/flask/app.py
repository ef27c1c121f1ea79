"""A page that greets its visitor by their Discord name, without any OAuth code."""

import os

from flask import Flask, g, render_template_string

from discord_user import load_user, member_of

# The id of your server: in Discord, right-click its name and copy it (developer mode).
CLUB = os.environ.get("GUILD", "197038439483310086")

app = Flask(__name__)
app.before_request(load_user)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Flask behind Cordgate</title>
{% if g.user %}
<h1>Hello, {{ g.user.display_name }}</h1>
<p><img src="{{ g.user.avatar_url }}" alt="" width="64" height="64"> You are in {{ g.user.guilds | length }} servers:</p>
<ul>
{% for guild in g.user.guilds %}
  <li>{{ guild.name or guild.id }}{% if guild.owner %} (yours){% endif %}</li>
{% endfor %}
</ul>
<form method="post" action="/logout"><button>Log out</button></form>
{% else %}
<h1>Hello, stranger</h1>
<p><a href="/login?rd=/me">Log in with Discord</a></p>
{% endif %}
</html>
"""


@app.get("/")  # access: optional in cordgate.yaml
def front():
    return render_template_string(PAGE)


@app.get("/me")  # the gate lets only those through who are logged in
def me():
    return render_template_string(PAGE)


@app.get("/club")
@member_of(CLUB)
def club():
    return f"Welcome to the club, {g.user['display_name']}\n"


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "5000")))
